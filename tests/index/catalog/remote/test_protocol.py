"""A store on Milvus is what the catalogue takes for a server."""

from __future__ import annotations

import inspect

from clr_search.index.catalog.milvus.store import MilvusStore
from clr_search.index.catalog.remote.protocol import Remote


def test_the_store_has_every_method_with_the_same_parameters() -> None:
    for name, method in inspect.getmembers(Remote, inspect.isfunction):
        if not name.startswith("_"):
            ours = inspect.signature(getattr(MilvusStore, name))
            assert list(ours.parameters) == list(inspect.signature(method).parameters), name
    assert isinstance(MilvusStore.most_neighbours, int)
