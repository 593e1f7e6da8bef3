from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.vectors import as_query, from_blobs, nearest, to_blob, unit_rows
from tests.index.made import as_stored, brute, clustered


@pytest.mark.parametrize("dimension", [1, 16, 512, 2048])
def test_float16_keeps_cosines(dimension: int) -> None:
    generator = np.random.default_rng(dimension)
    rows = unit_rows(generator.normal(size=(50, dimension)).astype(np.float32))
    kept = as_stored(rows)
    np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1, atol=1e-6)
    assert np.abs(kept @ kept.T - rows @ rows.T).max() < 5e-4
    assert len(to_blob(rows[0])) == 2 * dimension


def test_half_precision_of_tiny_values_is_kept_absolutely() -> None:
    row = np.full(2048, 1e-7, np.float32)
    row[0] = 1
    assert np.abs(as_stored(row[None])[0] - row).max() < 1e-6


def test_a_row_of_zeros_stays_zero() -> None:
    assert (unit_rows(np.zeros((2, 4), np.float32)) == 0).all()


@pytest.mark.parametrize(
    ("blob", "words"),
    [
        (b"\0" * 6, "not of length 4"),
        (None, "not of length 4"),
        (np.array([1, 0, np.nan, 0], "<f2").tobytes(), "not finite"),
    ],
)
def test_a_damaged_embedding_is_named(blob: bytes, words: str) -> None:
    with pytest.raises(ClrSearchError, match=words):
        from_blobs([to_blob(np.eye(4, dtype=np.float32)[0]), blob], 4)


def test_a_query_is_brought_to_unit_length() -> None:
    np.testing.assert_allclose(as_query(np.array([3, 4], np.float32), 2), [0.6, 0.8])


@pytest.mark.parametrize("vector", [[0, 0], [1, 2, 3], [np.nan, 1], [np.inf, 0], [[1, 0]]])
def test_a_query_without_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(UsageError, match="query vector"):
        as_query(np.array(vector, np.float32), 2)


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
    found, scores = nearest(ids[shuffled], rows[shuffled], query, k)
    assert found.tolist() == brute(rows, query, k)
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_allclose(scores, rows[found] @ query, atol=1e-6)


def test_scores_never_leave_the_range_of_a_cosine() -> None:
    rows = clustered(500, 64)
    for row in rows[:50]:
        _, scores = nearest(np.arange(500), rows, row, 3)
        assert scores[0] <= 1
        assert scores[0] == pytest.approx(1, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.sampled_from([0, 0.02, 0.5, 1]), k=st.integers(1, 60))
def test_only_the_rows_that_count(seed: int, share: float, k: int) -> None:
    generator = np.random.default_rng(seed)
    rows = clustered(50, 9, seed)
    kept = generator.random(50) < share
    found, _ = nearest(np.arange(50), rows, rows[7], k, kept)
    assert found.tolist() == brute(rows, rows[7], k, np.flatnonzero(kept).tolist())
