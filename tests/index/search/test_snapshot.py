"""Many queries at once, against one after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index, maintenance
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search import snapshot
from tests.index.made import Heard, Vectors, brute


def same_as_singly(index: Index, queries: Vectors, k: int) -> None:
    found = index.search_vectors(queries, k)
    ids, scores = found.ids, found.scores
    assert ids.shape == scores.shape == (len(queries), k)
    for query, numbers, row in zip(queries, ids, scores, strict=True):
        found = index.search_vector(query, k)
        count = len(found)
        np.testing.assert_allclose(row[:count], found.scores, atol=2e-6)
        assert (numbers[count:] == -1).all()
        assert np.isneginf(row[count:]).all()
        assert len(set(numbers[:count].tolist()) & set(found.ids.tolist())) >= count - 1  # ties


@pytest.mark.parametrize("k", [1, 10, 300])
def test_an_exact_search(many: Path, rows: Vectors, k: int) -> None:
    with Index.open(many) as index:
        same_as_singly(index, 3 * rows[::100], k)
        ids = index.search_vectors(rows[:20], k).ids
        assert (ids[0] - 1).tolist()[:k] == brute(rows, rows[0], k)


@pytest.mark.usefixtures("small_limits")
@pytest.mark.parametrize("k", [1, 10, 100])
def test_through_a_structure(
    many: Path, rows: Vectors, fresh: Vectors, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_QUERIES", 7)
    catalog = Catalog(many, writable=True)
    maintenance.settle(catalog, Heard())
    catalog.database.close()
    with Index.open(many) as index:
        assert index.info().generation == 1
        same_as_singly(index, np.concatenate([rows[::200], fresh[::40]]), k)


@pytest.mark.usefixtures("small_limits")
def test_where_most_candidates_are_gone(
    many: Path, rows: Vectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MOST_BESIDE", 10**6)
    catalog = Catalog(many, writable=True)
    maintenance.settle(catalog, Heard())
    near = (np.argsort(-(rows @ rows[0]))[:500] + 1).tolist()
    with catalog.writing():
        catalog.delete(near)
    catalog.database.close()
    with Index.open(many) as index:
        same_as_singly(index, rows[:3], 10)
        assert not set(index.search_vectors(rows[:1], 10).ids[0].tolist()) & set(near)


def test_more_than_there_are(many: Path, rows: Vectors) -> None:
    with Index.open(many) as index:
        found = index.search_vectors(rows[:2], 3100)
        ids, scores = found.ids, found.scores
        assert sorted(ids[0][:3000].tolist()) == list(range(1, 3001))
        assert (ids[:, 3000:] == -1).all()
        assert np.isneginf(scores[:, 3000:]).all()


def test_none_and_wrong_ones(many: Path) -> None:
    with Index.open(many) as index:
        found = index.search_vectors(np.empty((0, 24), np.float32), 5)
        ids, scores = found.ids, found.scores
        assert ids.shape == scores.shape == (0, 5)
        for wrong in (np.zeros((1, 24), np.float32), np.ones((2, 7), np.float32)):
            with pytest.raises(UsageError):
                index.search_vectors(wrong)
        with pytest.raises(UsageError):
            index.search_vectors(np.ones((1, 24), np.float32), 0)


@pytest.mark.parametrize("own", [False, True])
def test_every_commit_is_seen_at_once(many: Path, rows: Vectors, own: bool) -> None:
    """By a reader that holds the collection in memory, whoever commits."""
    with Index.open(many, writable=own) as index:
        for gone in (1, 2, 3):
            assert index.search_vectors(rows[gone - 1][None], 1).ids.tolist() == [[gone]]
            if own:
                index.remove([index.item(gone).path])
            else:
                catalog = Catalog(many, writable=True)
                with catalog.writing():
                    catalog.delete([gone])
                catalog.database.close()
            assert gone not in index.search_vectors(rows[:3], 5).ids


def test_a_snapshot_stays_what_it_is(many: Path, rows: Vectors) -> None:
    with Index.open(many) as index:
        index.search_vectors(rows[:1], 1)
        with index.snapshot():
            assert index.search_vectors(rows[:1], 1).ids.tolist() == [[1]]
            catalog = Catalog(many, writable=True)
            with catalog.writing():
                catalog.delete([1])
            catalog.database.close()
            assert index.search_vectors(rows[:1], 1).ids.tolist() == [[1]]
        assert index.search_vectors(rows[:1], 1).ids.tolist() != [[1]]


def test_a_closed_collection_is_told(many: Path, rows: Vectors) -> None:
    index = Index.open(many)
    index.search_vectors(rows[:1], 1)
    index.close()
    with pytest.raises(ClrSearchError, match="has been closed"):
        index.search_vectors(rows[:1], 1)


def test_the_vector_that_is_wrong_is_named(many: Path, rows: Vectors) -> None:
    wrong = rows[:3].copy()
    wrong[1] = np.nan
    with Index.open(many) as index, pytest.raises(UsageError, match="vector 1 has no direction"):
        index.search_vectors(wrong)
