"""Conditions find the items that a reading of them in Python finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.images.metadata.exif import Exif
from clr_search.index import Filter, Index
from clr_search.index.catalog.columns import store

CAMERAS = ["X100", "Z9", "x100", "", '50% "off"', "it's"]


@pytest.fixture
def index(tiny_encoder: Path, tmp_path: Path) -> Iterator[Index]:
    """Six items with cameras, of which one has none, and a column of their ratings."""
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        vectors = np.random.default_rng(0).normal(size=(6, 16)).astype(np.float32)
        index.add_vectors(vectors, [f"a/{n}.jpg" for n in range(6)], root=tmp_path)
        with index._catalog.writing():
            read = ((n, Exif(camera=name or None)) for n, name in enumerate(CAMERAS, start=1))
            store.put_exif(index._catalog, read)
            store.give(index._catalog, "rating", "integer", {1: 5, 2: 3, 3: 1, 99: 5})
            store.give(index._catalog, "day", "date", {1: "2024-05-01T00:00:00"})
        yield index


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("camera = 'X100'", [1]),
        ("camera != 'X100'", [2, 3, 5, 6]),
        ("NOT camera = 'X100'", [2, 3, 5, 6]),
        ("camera LIKE 'x1%'", [1, 3]),
        ("camera GLOB 'X*'", [1]),
        ("camera NOT LIKE 'x1%'", [2, 5, 6]),
        ("camera IS NULL", [4]),
        ("NOT camera IS NULL", [1, 2, 3, 5, 6]),
        ("camera IN ('Z9', 'it''s')", [2, 6]),
        ("camera NOT IN ('Z9', 'it''s')", [1, 3, 5]),
        ("rating >= 3", [1, 2]),
        ("rating >= 3 AND NOT (camera = 'Z9' OR rating = 1)", [1]),
        ("rating = 1 OR camera = 'Z9' AND rating = 3", [2, 3]),
        ("day = '2024-05'", [1]),
        ("day <= '2024-05-01' AND day >= '2024'", [1]),
        ("label = 'a' AND path LIKE '%/2.jpg' AND width = 0", [3]),
        ("rating IS NULL AND camera IS NOT NULL", [5, 6]),
    ],
)
def test_a_condition_finds_its_items(index: Index, where: str, ids: list[int]) -> None:
    assert index.ids(where=Filter(where=where)) == ids
    assert sorted(index.search(1, 6, where=where, include_self=True).ids.tolist()) == ids


def test_a_condition_joins_other_conditions(index: Index) -> None:
    assert index.ids(where=Filter(where="rating >= 3", ids=[2, 3])) == [2]
    with pytest.raises(UsageError, match="pass the filter"):
        index.ids(where="camera = 'none'")
    with pytest.raises(UsageError, match="There are: path, label"):
        index.ids(where="aperture = 2")


def test_the_largest_condition_is_answered(index: Index) -> None:
    where = " OR ".join(f"rating={n}" for n in range(200))
    assert index.ids(where=where) == [1, 2, 3]
    where = "(" * 30 + "rating = 5" + ")" * 30
    assert index.ids(where=where) == [1]


def test_an_older_collection_has_no_values(index: Index) -> None:
    with index._catalog.writing():
        index._catalog.database.rows("PRAGMA user_version = 3")
    assert index.ids(where="camera IS NULL") == [1, 2, 3, 4, 5, 6]
    with pytest.raises(UsageError, match="pass the filter"):
        index.ids(where="camera = 'X100'")
