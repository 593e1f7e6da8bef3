"""The index stage: a durable collection of embeddings, and search in it.

Importing this package loads neither faiss nor onnxruntime; the names below are imported when first
used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clr_search.index.catalog.embeddings import Embeddings as Embeddings
    from clr_search.index.catalog.filters import Filter as Filter
    from clr_search.index.catalog.records import Item as Item
    from clr_search.index.catalog.records import NotedItem as NotedItem
    from clr_search.index.catalog.records import SkippedItem as SkippedItem
    from clr_search.index.collection import Index as Index
    from clr_search.index.search.info import IndexInfo as IndexInfo
    from clr_search.index.search.matches import Match as Match
    from clr_search.index.search.matches import Matches as Matches
    from clr_search.index.search.query import Query as Query
    from clr_search.index.sync.report import UpdateReport as UpdateReport

_HOMES = {
    "Embeddings": "catalog.embeddings",
    "Filter": "catalog.filters",
    "Index": "collection",
    "IndexInfo": "search.info",
    "Item": "catalog.records",
    "Match": "search.matches",
    "Matches": "search.matches",
    "Query": "search.query",
    "NotedItem": "catalog.records",
    "SkippedItem": "catalog.records",
    "UpdateReport": "sync.report",
}

__all__ = [
    "Embeddings",
    "Filter",
    "Index",
    "IndexInfo",
    "Item",
    "Match",
    "Matches",
    "NotedItem",
    "Query",
    "SkippedItem",
    "UpdateReport",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
