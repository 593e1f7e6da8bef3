"""clr-search: from a folder of unlabelled images to a search engine.

`Encoder`, `Probe`, `Index` and `Client` are imported when first used, so that ``import clr_search``
is fast and never loads torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from clr_search.version import __version__

if TYPE_CHECKING:
    from clr_search.index import Index as Index
    from clr_search.serve import Encoder as Encoder
    from clr_search.serve import Probe as Probe
    from clr_search.server.client import Client as Client


__all__ = ["Client", "Encoder", "Index", "Probe", "__version__"]

_HOMES = {
    "Client": "clr_search.server.client",
    "Encoder": "clr_search.serve",
    "Index": "clr_search.index",
    "Probe": "clr_search.serve",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
