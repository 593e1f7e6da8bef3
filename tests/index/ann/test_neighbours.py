"""The nearest by an exact scan, and the arithmetic on what was found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.index.ann import neighbours
from clr_search.index.ann.neighbours import Neighbours, nearest
from clr_search.index.catalog.vectors import as_query, unit_rows
from tests.index.made import as_stored, brute, clustered


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(0, 60),
    distinct=st.integers(1, 60),
    k=st.integers(1, 70),
    dimension=st.sampled_from([1, 3, 17, 130]),
)
def test_nearest_is_the_slow_search(
    seed: int, count: int, distinct: int, k: int, dimension: int
) -> None:
    """Also where many rows are equal: the ties are broken by id, wherever the rows stand."""
    generator = np.random.default_rng(seed)
    rows = as_stored(unit_rows(generator.normal(size=(distinct, dimension)).astype(np.float32)))
    rows = rows[generator.integers(distinct, size=count)]
    query = as_query(generator.normal(size=dimension), dimension)
    ids = np.arange(count, dtype=np.int64)
    shuffled = generator.permutation(count)
    (found,), (scores,) = nearest(ids[shuffled], rows[shuffled], query[None], k)
    there = min(k, count)
    assert found[:there].tolist() == brute(rows, query, k)
    assert (np.diff(scores[:there]) <= 0).all()
    np.testing.assert_allclose(scores[:there], rows[found[:there]] @ query, atol=1e-6)
    assert found[there:].tolist() == [-1] * (k - there)
    assert np.isneginf(scores[there:]).all()


def test_scores_never_leave_the_range_of_a_cosine() -> None:
    rows = clustered(500, 64)
    for row in rows[:50]:
        scores = nearest(np.arange(500), rows, row[None], 3).scores[0]
        assert scores[0] <= 1
        assert scores[0] == pytest.approx(1, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0, 0.02, 0.5, 1]),
    k=st.integers(1, 60),
    queries=st.sampled_from([1, 3]),
)
def test_only_the_rows_that_count(seed: int, share: float, k: int, queries: int) -> None:
    generator = np.random.default_rng(seed)
    rows = clustered(50, 9, seed)
    counted = generator.random(50) < share
    found = nearest(np.arange(50), rows, rows[7 : 7 + queries], k, counted).ids
    for number in range(queries):
        expected = brute(rows, rows[7 + number], k, np.flatnonzero(counted).tolist())
        assert sorted(found[number][found[number] >= 0].tolist()) == sorted(expected)


def test_many_queries_find_what_single_ones_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """Block by block."""
    monkeypatch.setattr(neighbours, "_BLOCK_VALUES", 100)
    rows, ids = clustered(333, 12), np.arange(333) * 2
    together = nearest(ids, rows, rows[:9], 5)
    for number in range(9):
        alone = nearest(ids, rows, rows[number : number + 1], 5)
        np.testing.assert_array_equal(together.ids[number], alone.ids[0])
        np.testing.assert_allclose(together.scores[number], alone.scores[0], atol=1e-6)


def test_the_best_of_two_with_ties_by_id() -> None:
    one = Neighbours(np.array([[5, 9]]), np.array([[0.9, 0.5]]))
    other = Neighbours(np.array([[4, 2]]), np.array([[0.9, 0.1]]))
    best = one.joined(other).best(3)
    assert best.ids.tolist() == [[4, 5, 9]]
    assert best.scores.tolist() == [[0.9, 0.9, 0.5]]


def test_what_is_excluded_leaves_its_place_empty() -> None:
    found = Neighbours(np.array([[5, 9, 4]]), np.array([[0.9, 0.5, 0.4]]))
    left = found.without(np.array([9])).best(3)
    assert left.ids.tolist() == [[5, 4, -1]]
    assert found.without(np.empty(0, np.int64)) is found
