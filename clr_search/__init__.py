"""clr-search: from a folder of unlabelled images to a search engine.

The names below are imported when first used, so that ``import clr_search`` is fast and never loads
torch. `docs/python.md` shows each of them at work.

The functions that train and export are called `train_encoder` and `export_run` here, since `train`
and `export` are packages: what ``from clr_search import train`` gives could not be a function
without being something else after ``import clr_search.train``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

from clr_search.version import __version__

if TYPE_CHECKING:
    from clr_search.analysis.duplicates import find_duplicates as find_duplicates
    from clr_search.errors import ClrSearchError as ClrSearchError
    from clr_search.errors import ImageError as ImageError
    from clr_search.errors import UsageError as UsageError
    from clr_search.export.onnx import export_run as export_run
    from clr_search.importing.door import import_encoder as import_encoder
    from clr_search.importing.recipe import Recipe as Recipe
    from clr_search.index import Embeddings as Embeddings
    from clr_search.index import Filter as Filter
    from clr_search.index import Index as Index
    from clr_search.index import Item as Item
    from clr_search.index import Match as Match
    from clr_search.index import Matches as Matches
    from clr_search.index import Query as Query
    from clr_search.serve import Encoder as Encoder
    from clr_search.serve import Probe as Probe
    from clr_search.server.client import Client as Client
    from clr_search.train import TrainConfig as TrainConfig
    from clr_search.train import train as train_encoder


class _Home(NamedTuple):
    """Where a name is defined.

    Attributes
    ----------
    module : str
        The module.
    name : str
        What it is called there; the same where empty.
    needs : tuple of (str, str)
        A module that it cannot do without, and the extra that brings it; none where empty.
    """

    module: str
    name: str = ""
    needs: tuple[str, str] | None = None


_TORCH = ("torch", "train")

_HOMES = {
    "Client": _Home("clr_search.server.client"),
    "ClrSearchError": _Home("clr_search.errors"),
    "Embeddings": _Home("clr_search.index"),
    "Encoder": _Home("clr_search.serve"),
    "Filter": _Home("clr_search.index"),
    "ImageError": _Home("clr_search.errors"),
    "Index": _Home("clr_search.index"),
    "Item": _Home("clr_search.index"),
    "Match": _Home("clr_search.index"),
    "Matches": _Home("clr_search.index"),
    "Probe": _Home("clr_search.serve"),
    "Query": _Home("clr_search.index"),
    "Recipe": _Home("clr_search.importing.recipe"),
    "TrainConfig": _Home("clr_search.train"),
    "UsageError": _Home("clr_search.errors"),
    "export_run": _Home("clr_search.export.onnx", needs=_TORCH),
    "find_duplicates": _Home("clr_search.analysis.duplicates"),
    "import_encoder": _Home("clr_search.importing.door"),
    "train_encoder": _Home("clr_search.train", name="train", needs=_TORCH),
}

__all__ = [
    "Client",
    "ClrSearchError",
    "Embeddings",
    "Encoder",
    "Filter",
    "ImageError",
    "Index",
    "Item",
    "Match",
    "Matches",
    "Probe",
    "Query",
    "Recipe",
    "TrainConfig",
    "UsageError",
    "__version__",
    "export_run",
    "find_duplicates",
    "import_encoder",
    "train_encoder",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if home.needs is not None:
        from clr_search.errors import require

        require(*home.needs)
    return getattr(importlib.import_module(home.module), home.name or name)


def __dir__() -> list[str]:
    return sorted(__all__)
