from __future__ import annotations

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.vectors import as_query, from_blobs, to_blob, unit_rows
from tests.index.made import as_stored


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


def test_a_query_may_be_of_any_length() -> None:
    """Also of one whose square no float64 can hold."""
    for scale in (1e-9, 1.0, 1e300):
        vector = scale * np.array([3.0, 4.0])
        np.testing.assert_allclose(as_query(vector, 2), [0.6, 0.8], rtol=1e-6)
