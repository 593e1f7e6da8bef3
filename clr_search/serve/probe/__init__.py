"""The linear probe classifies embeddings, and tells pictures that are of none of its classes.

Importing this package loads neither onnxruntime nor scikit-learn: each name below is imported when
it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clr_search.serve.probe.fit import fit_probe as fit_probe
    from clr_search.serve.probe.fitted import FittedProbe as FittedProbe
    from clr_search.serve.probe.model import Probe as Probe
    from clr_search.serve.probe.model import save_probe as save_probe
    from clr_search.serve.probe.verdict import Verdict as Verdict

_HOMES = {
    "FittedProbe": "fitted",
    "Probe": "model",
    "Verdict": "verdict",
    "fit_probe": "fit",
    "save_probe": "model",
}

__all__ = ["FittedProbe", "Probe", "Verdict", "fit_probe", "save_probe"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
