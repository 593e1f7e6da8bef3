"""Columns in the catalogue."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index, Query
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


def test_values_of_every_kind_of_column(tiny_encoder: Path, tmp_path: Path) -> None:
    """Also of a path and a label that are no UTF-8."""
    folder = os.fsdecode(b"r\xf6t")
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        vectors = np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32)
        index.add_vectors(vectors, [f"{folder}/1.jpg", "2.jpg"], root=tmp_path)
        index.label({1: folder, 2: "blue"})
        index.give_columns({"rating": {2: 5}})
        found = index.search(Query(ids=(1,), k=2, include_self=True, columns=("Path", "label")))
        assert {match.id: dict(match.columns) for match in found} == {
            1: {"path": f"{folder}/1.jpg", "label": folder},
            2: {"path": "2.jpg", "label": "blue"},
        }
        assert hash(found) == hash(found)
        assert index.values([1, 2], "bytes") == {1: 0, 2: 0}
        [other] = index.search(1, k=5, columns=["rating", "camera"])
        assert other.columns == {"rating": 5, "camera": None}
        assert other.summary()["columns"] == {"rating": 5, "camera": None}
        assert index.kinds(own=True) == {"rating": "integer"}
        assert index.kinds()["taken"] == "date"
        with pytest.raises(UsageError, match="no column none"):
            index.search(1, columns=["none"])


@pytest.mark.parametrize("value", [b"bytes", float("inf")])
def test_a_value_that_no_column_can_have_is_damage(
    tiny_encoder: Path, tmp_path: Path, value: object
) -> None:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        index.add_vectors(np.eye(2, 16, dtype=np.float32), ["1.jpg", "2.jpg"], root=tmp_path)
        index.give_columns({"rating": {2: 5}})
        with index._catalog.writing():
            index._catalog.database.rows("UPDATE cells SET value = ?", value)
        with pytest.raises(ClrSearchError, match="damaged"):
            index.search(1, columns=["rating"])
