"""k-means on a collection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis.clusters import find_clusters, outliers
from clr_search.errors import UsageError
from clr_search.index import Index
from tests.index.made import as_stored, write_vectors


def bundles(sizes: list[int], dimension: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Narrow bundles of vectors around the axes, in random order, and which each belongs to."""
    generator = np.random.default_rng(4)
    of = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.eye(dimension)[of] + 0.05 * generator.normal(size=(len(of), dimension))
    return as_stored(rows / np.linalg.norm(rows, axis=1, keepdims=True)), of


def test_bundles_are_found_the_largest_first(tmp_path: Path) -> None:
    rows, of = bundles([40, 25, 60, 10])
    with Index.open(write_vectors(tmp_path / "c.clr", rows)) as index:
        found = find_clusters(index, 4)
        again = find_clusters(index, 4)
    assert [len(cluster) for cluster in found] == [60, 40, 25, 10]
    for cluster, bundle in zip(found, (2, 0, 1, 3), strict=True):
        assert set(cluster.ids) == set(np.flatnonzero(of == bundle) + 1)
        assert (np.diff(cluster.scores) <= 0).all()
        centre = rows[of == bundle].mean(axis=0)
        expected = rows[cluster.ids - 1] @ (centre / np.linalg.norm(centre))
        np.testing.assert_allclose(cluster.scores, expected, atol=1e-4)
    for one, other in zip(found, again, strict=True):
        assert np.array_equal(one.ids, other.ids)


def test_the_odd_one_out(tmp_path: Path) -> None:
    rows, _ = bundles([40, 40])
    odd = np.full((1, 16), 0.25) * np.sign(np.arange(16) - 7.5)
    rows = np.concatenate([rows, as_stored(odd)])
    with Index.open(write_vectors(tmp_path / "c.clr", rows)) as index:
        found = find_clusters(index, 2)
    ids, scores = outliers(found, 3)
    assert ids[0] == 81
    assert (np.diff(scores) >= 0).all()
    assert len(outliers(found, 1000)[0]) == 81


def test_the_number_is_chosen(tmp_path: Path) -> None:
    rows, _ = bundles([50, 48])
    with Index.open(write_vectors(tmp_path / "c.clr", rows)) as index:
        assert len(find_clusters(index)) == 7
        assert [len(cluster) for cluster in find_clusters(index, 1)] == [98]


def test_wrong_use(tmp_path: Path) -> None:
    rows, _ = bundles([3, 2])
    with Index.open(write_vectors(tmp_path / "c.clr", rows)) as index:
        assert len(find_clusters(index, 5)) == 5
        with pytest.raises(UsageError, match="6 clusters cannot be made of 5 pictures"):
            find_clusters(index, 6)
        with pytest.raises(UsageError, match="lie under nowhere"):
            find_clusters(index, under="nowhere")
    with (
        Index.open(write_vectors(tmp_path / "e.clr", rows[:0])) as index,
        pytest.raises(UsageError, match="has no pictures"),
    ):
        find_clusters(index)
