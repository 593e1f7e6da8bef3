"""Unit vectors: kept as float16, searched as float32, ranked in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError

_SLACK = 1e-5
"""Error allowed to a float32 dot product of unit vectors when the best are picked for ranking."""


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
    """As `from_blobs`, but as they are stored: float16, of about unit length."""
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
    """Of rows, shape (N,); never 0, so that they can be divided by."""
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    lengths: NDArray[np.float32] = np.maximum(norms, np.finfo(np.float32).tiny)
    return lengths


def as_queries(vectors: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
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
    wrong = ~((norms >= 1e-12) & np.isfinite(norms))
    if wrong.any():
        raise UsageError(
            f"Query vector {int(wrong.argmax())} has no direction: it is zero, or not finite."
        )
    queries /= norms[:, None]
    return queries.astype(np.float32)


def has_direction(norm: float) -> bool:
    """Whether a vector of this length can be searched for."""
    return 1e-12 <= norm < np.inf


def as_query(vector: NDArray[np.float32], dimension: int) -> NDArray[np.float32]:
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
    norm = float(np.linalg.norm(query))
    if not has_direction(norm):
        raise UsageError("The query vector has no direction: it is zero, or not finite.")
    return (query / norm).astype(np.float32)


def nearest(
    ids: NDArray[np.int64],
    rows: NDArray[np.float32],
    query: NDArray[np.float32],
    k: int,
    kept: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The k rows of greatest cosine, by an exact scan.

    The scan is a float32 product, row by row without BLAS: it is bound by memory, and the threads
    of BLAS take a hundred times longer on a busy machine, waiting for each other. Rows that could
    be among the best are scored again in float64, so that equal vectors have equal scores wherever
    they stand, and ties are broken by id.

    Parameters
    ----------
    ids : int64 array, shape (N,)
    rows : float32 array, shape (N, D)
        Of unit length.
    query : float32 array, shape (D,)
        Of unit length.
    k : int
        At least 1; where there are fewer rows, all are returned.
    kept : bool array, shape (N,), optional
        The rows that count; all where not given.

    Returns
    -------
    ids : int64 array, shape (min(k, rows that count),)
    scores : float64 array of the same shape
        In [-1, 1], falling.
    """
    count = len(ids) if kept is None else int(np.count_nonzero(kept))
    if count > k:
        rough = np.einsum("nd,d->n", rows, query)
        if kept is not None:
            rough[~kept] = -np.inf
        floor = np.partition(rough, len(rough) - k)[len(rough) - k] - _SLACK
        kept = rough >= floor
    if kept is not None:
        ids, rows = ids[kept], rows[kept]
    scores = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1).clip(-1.0, 1.0)
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]
