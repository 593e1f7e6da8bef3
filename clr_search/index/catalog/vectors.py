"""Unit vectors: kept as float16, searched as float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError

_SQUARABLE = 1e-150
"""Length of a vector down to which the squares of its numbers are exact enough in float64."""


def to_blob(vector: NDArray[np.float32]) -> bytes:
    """A vector, shape (D,), as little-endian float16: half the bytes, cosines off by about 1e-4."""
    return vector.astype("<f2").tobytes()


def from_blobs(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """Stored vectors, brought back to unit length.

    Parameters
    ----------
    blobs : sequence of bytes
        N results of `to_blob`.
    dimension : int
        D.

    Returns
    -------
    float32 array, shape (N, D)

    Raises
    ------
    ClrSearchError
        If a blob is no vector of length D or holds values that are not finite.
    """
    return unit_rows(halves(blobs, dimension).astype(np.float32))


def halves(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float16]:
    """Returns vectors as they are stored: float16 [N, D], about of unit length."""
    if any(not isinstance(blob, bytes) or len(blob) != 2 * dimension for blob in blobs):
        raise ClrSearchError(
            f"The collection is damaged: a stored embedding is not of length {dimension}.",
            "Restore it from a backup, or build it anew: clr-search build-index",
        )
    rows = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(blobs), dimension)
    if not np.isfinite(rows).all():
        raise ClrSearchError(
            "The collection is damaged: a stored embedding holds values that are not finite.",
            "Restore it from a backup, or build it anew: clr-search build-index",
        )
    return rows


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length 1, shape (N, D), in place; a row of zeros stays zero."""
    rows /= _lengths(rows)[:, None]
    return rows


def scale_of(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """What brings rows, shape (N, D), to length 1: shape (N,)."""
    return np.reciprocal(_lengths(rows.astype(np.float32)))


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the lengths of rows, shape (N,), never 0, so that rows can be divided by them."""
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    lengths: NDArray[np.float32] = np.maximum(norms, np.finfo(np.float32).tiny)
    return lengths


def as_queries(vectors: NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """Queries of length 1, shape (Q, D), float32.

    Raises
    ------
    UsageError
        If they have another length, values that are not finite, or one has no direction.
    """
    queries = np.array(vectors, dtype=np.float64)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise UsageError(
            f"The query vectors have the shape {queries.shape}; this collection needs "
            f"(…, {dimension})."
        )
    norms = np.sqrt(np.einsum("qd,qd->q", queries, queries))
    if not ((norms > _SQUARABLE) & (norms < np.inf)).all():
        # A vector whose square is beyond float64 has a direction too.
        largest = np.abs(queries).max(axis=1, initial=0.0)
        wrong = ~((largest > 0) & (largest < np.inf))
        if wrong.any():
            raise UsageError(
                f"Query vector {int(wrong.argmax())} has no direction: it is zero, or not finite."
            )
        queries /= largest[:, None]
        norms = np.sqrt(np.einsum("qd,qd->q", queries, queries))
    queries /= norms[:, None]
    return queries.astype(np.float32)


def has_direction(norm: float) -> bool:
    """Whether a sum of unit vectors of this length says more than rounding."""
    return 1e-12 <= norm < np.inf


def as_query(vector: NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """A query of length 1, shape (D,), float32.

    Raises
    ------
    UsageError
        If it has another shape, values that are not finite, or no direction.
    """
    query = np.array(vector, dtype=np.float64)
    if query.shape != (dimension,):
        raise UsageError(
            f"The query vector has the shape {query.shape}; this collection needs ({dimension},)."
        )
    largest = float(np.abs(query).max(initial=0.0))
    if not 0 < largest < np.inf:
        raise UsageError("The query vector has no direction: it is zero, or not finite.")
    query /= largest  # see `as_queries`
    return (query / np.linalg.norm(query)).astype(np.float32)
