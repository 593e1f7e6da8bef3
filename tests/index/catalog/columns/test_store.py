"""Columns in the catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clr_search.index import Index
from clr_search.index.catalog.columns import store
from clr_search.index.catalog.columns.store import ColumnInfo


def test_columns_are_given_replaced_and_leave_with_their_items(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        vectors = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)
        index.add_vectors(vectors, [f"{n}.jpg" for n in range(3)], root=tmp_path)
        catalog = index._catalog
        with catalog.writing():
            store.give(catalog, "rating", "integer", {1: 5, 2: 3})
        with catalog.writing():
            store.give(catalog, "rating", "text", {2: "good", 3: "bad"})
        with catalog.reading():
            assert store.described(catalog)[-1] == ColumnInfo("rating", "text", 2, given=True)
            assert store.values(catalog, [1, 2], "rating") == {2: "good"}
            assert store.values(catalog, [1, 2], "camera") == {}
            assert store.values(catalog, [1, 2], "none") == {}
        index.remove([tmp_path / "1.jpg"])
        with catalog.reading():
            assert store.described(catalog)[-1].count == 1
