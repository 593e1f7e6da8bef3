"""The serve stage turns pictures into vectors and class probabilities, with ONNX Runtime.

Importing this package loads neither onnxruntime nor Pillow: each name below is imported when it is
first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder as Encoder
    from clr_search.serve.probe.model import Probe as Probe

# Each public name, and the module of this package that defines it.
_HOMES = {"Encoder": "encoder", "Probe": "probe.model"}

__all__ = ["Encoder", "Probe"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
