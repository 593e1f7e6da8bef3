"""Collections laid out in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis.layout import lay_out, place_among
from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from tests.index.made import clustered, write_vectors


def test_what_is_alike_lies_together(tmp_path: Path) -> None:
    rows = clustered(600, 24, clusters=6)
    collection = write_vectors(tmp_path / "c.clr", rows)
    with Index.open(collection) as index:
        layout = lay_out(index)
        again = lay_out(index)
    assert layout.ids.tolist() == list(range(1, 601))
    assert layout.total == 600
    assert layout.places.min() >= 0
    assert layout.places.max() <= 1
    np.testing.assert_array_equal(layout.places, again.places)
    near_in_space = np.argsort(-(rows @ rows.T), axis=1)[:, 1:6]
    distance = np.linalg.norm(layout.places[:, None] - layout.places[None], axis=2)
    near_on_map = np.argsort(distance, axis=1)[:, 1:31]
    kept = [len(set(a) & set(b)) / 5 for a, b in zip(near_in_space, near_on_map, strict=True)]
    assert np.mean(kept) > 0.7  # by chance 0.05


def test_of_many_an_even_sample_and_only_one_folder(tmp_path: Path) -> None:
    rows = clustered(200, 8)
    names = [f"{'a' if n < 120 else 'b'}/{n}.png" for n in range(200)]
    collection = write_vectors(tmp_path / "c.clr", rows, names)
    with Index.open(collection) as index:
        layout = lay_out(index, most=50)
        assert (len(layout.ids), layout.total) == (50, 200)
        assert np.diff(layout.ids).max() <= 5
        assert lay_out(index, under="a").total == 120
        with pytest.raises(UsageError, match="lie under c"):
            lay_out(index, under="c")


def test_only_the_sample_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    true = embeddings.of

    def of(catalog: Catalog, ids: Sequence[int], dimension: int) -> embeddings.Rows:
        read.extend(ids)
        return true(catalog, ids, dimension)

    def everything(*_: object) -> None:
        raise AssertionError("all embeddings are read")

    monkeypatch.setattr(embeddings, "of", of)
    monkeypatch.setattr(embeddings, "newer", everything)
    with Index.open(write_vectors(tmp_path / "c.clr", clustered(200, 8))) as index:
        layout = lay_out(index, most=50)
    assert read == layout.ids.tolist()
    assert len(read) == 50


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_few_pictures(tmp_path: Path, count: int) -> None:
    collection = write_vectors(tmp_path / "c.clr", clustered(count, 8))
    with Index.open(collection) as index:
        places = lay_out(index).places
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_equal_pictures_lie_in_the_middle(tmp_path: Path) -> None:
    rows = np.repeat(clustered(1, 8), 20, axis=0)
    with Index.open(write_vectors(tmp_path / "c.clr", rows)) as index:
        np.testing.assert_allclose(lay_out(index).places, 0.5, atol=1e-6)


def test_further_items_are_placed_with_those_that_they_are_like() -> None:
    rows = clustered(400, 16, clusters=8)
    known, others = rows[:300], rows[300:]
    places = np.random.default_rng(0).random((300, 2), np.float32) * 0.01
    nearest = np.argmax(others @ known.T, axis=1)
    crowd = np.argmax(known @ known[:8].T, axis=1)  # each crowd in a region of its own
    places += np.stack([crowd % 4, crowd // 4], axis=1).astype(np.float32) / 4
    placed = place_among(known, places, others)
    assert placed.dtype == np.float32
    assert placed.min() >= 0
    assert placed.max() <= 1
    away = np.linalg.norm(placed - places[nearest], axis=1)
    assert away.max() < 0.1  # none lies between two regions
    assert len(np.unique(placed, axis=0)) == len(others)  # nor on another
    np.testing.assert_array_equal(placed, place_among(known, places, others))


def test_one_item_is_enough_to_place_others() -> None:
    rows = clustered(3, 8)
    placed = place_among(rows[:1], np.full((1, 2), 0.5, np.float32), rows)
    assert placed.shape == (3, 2)
    assert np.isfinite(placed).all()
