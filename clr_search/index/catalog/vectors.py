"""Unit vectors, which are stored as float16 and searched as float32."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError

_SQUARABLE = 1e-150
"""Least length of a vector whose numbers can be squared in float64 without losing precision."""


def to_blob(vector: NDArray[np.float32]) -> bytes:
    r"""Returns a vector, shape (D,), as little-endian float16.

    It takes half the bytes of float32, and changes cosines by about 1e-4.

    Examples
    --------
    >>> to_blob(np.array([1, 0], np.float32))
    b'\x00<\x00\x00'
    """
    return vector.astype("<f2").tobytes()


def checksum_of(blob: bytes) -> int:
    r"""Returns the CRC-32 of a stored vector, which is kept beside it.

    It finds every change of up to three bits, and all but one in four billion of the others;
    `bench/checksums.py` measures what it costs.

    Examples
    --------
    >>> checksum_of(b"\x00<\x00\x00")
    204850152
    """
    return zlib.crc32(blob)


def is_intact(blob: object, checksum: object, dimension: int) -> bool:
    """Returns whether a value is a vector of length `dimension` that `to_blob` can have made.

    Parameters
    ----------
    blob, checksum : object
        The values of a row of the catalogue; a checksum of None, as of the catalogues of former
        releases, is not compared.
    dimension : int
        D, the length of a vector.

    Examples
    --------
    >>> blob = to_blob(np.array([0, 1], np.float32))
    >>> is_intact(blob, checksum_of(blob), 2), is_intact(blob[:2] + blob[:2], checksum_of(blob), 2)
    (True, False)
    """
    return (
        isinstance(blob, bytes)
        and len(blob) == 2 * dimension
        and checksum in (None, checksum_of(blob))
        and bool(np.isfinite(np.frombuffer(blob, "<f2")).all())
    )


def from_blobs(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float32]:
    """Returns stored vectors, brought back to unit length.

    Parameters
    ----------
    blobs : sequence of bytes
        N results of `to_blob`.
    dimension : int
        D, the length of each vector.

    Returns
    -------
    float32 array, shape (N, D)
        Vectors of unit length.

    Raises
    ------
    ClrSearchError
        If a blob is no vector of length D, or holds values that are not finite.

    Examples
    --------
    >>> from_blobs([to_blob(np.array([0, 1], np.float32))], 2)
    array([[0., 1.]], dtype=float32)
    """
    return unit_rows(halves(blobs, dimension).astype(np.float32))


def halves(blobs: Sequence[bytes], dimension: int) -> NDArray[np.float16]:
    """Returns vectors as they are stored: float16, shape (N, D), of about unit length.

    Raises
    ------
    ClrSearchError
        If a blob is no vector of length D, or holds values that are not finite.

    Examples
    --------
    >>> halves([to_blob(np.array([0, 1], np.float32))], 2)
    array([[0., 1.]], dtype=float16)
    """
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
    """Scales rows, shape (N, D), to unit length in place and returns them; zeros stay zeros.

    Examples
    --------
    >>> unit_rows(np.array([[3, 4]], np.float32))
    array([[0.6, 0.8]], dtype=float32)
    """
    rows /= _lengths(rows)[:, None]
    return rows


def scale_of(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    """Returns the factors, shape (N,), that bring rows, shape (N, D), to unit length.

    Examples
    --------
    >>> scale_of(np.array([[0, 2]], np.float16))
    array([0.5], dtype=float32)
    """
    return np.reciprocal(_lengths(rows.astype(np.float32)))


def _lengths(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the lengths of rows, shape (N,), never 0, so that rows can be divided by them."""
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    lengths: NDArray[np.float32] = np.maximum(norms, np.finfo(np.float32).tiny)
    return lengths


def as_queries(vectors: NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """Returns queries, shape (Q, D), scaled to unit length as float32.

    Raises
    ------
    UsageError
        If the shape is another one, a value is not finite, or a query is zero.

    Examples
    --------
    >>> as_queries(np.array([[3.0, 4.0]]), 2)
    array([[0.6, 0.8]], dtype=float32)
    """
    queries = np.array(vectors, dtype=np.float64)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise UsageError(
            f"The query vectors have the shape {queries.shape}; this collection needs "
            f"(…, {dimension})."
        )
    if len(queries) == 1:  # a quicker way for one
        length = math.sqrt(np.vdot(queries, queries))
        if _SQUARABLE < length < math.inf:
            queries /= length
            return queries.astype(np.float32)
    norms = np.sqrt(np.einsum("qd,qd->q", queries, queries))
    if not ((norms > _SQUARABLE) & (norms < np.inf)).all():
        # Very long and very short vectors have a direction too, though their squares do not fit
        # into float64; so each is divided by its largest value first.
        largest = np.abs(queries).max(axis=1, initial=0.0)
        wrong = ~((largest > 0) & (largest < np.inf))
        if wrong.any():
            which = f"Query vector {int(wrong.argmax())}" if len(wrong) > 1 else "The query vector"
            raise UsageError(f"{which} has no direction: it is zero, or not finite.")
        queries /= largest[:, None]
        norms = np.sqrt(np.einsum("qd,qd->q", queries, queries))
    queries /= norms[:, None]
    return queries.astype(np.float32)


def has_direction(norm: float) -> bool:
    """Returns whether a sum of unit vectors of length `norm` is more than a rounding error.

    Examples
    --------
    >>> has_direction(0.5), has_direction(0.0)
    (True, False)
    """
    return 1e-12 <= norm < np.inf


def as_query(vector: NDArray[np.floating], dimension: int) -> NDArray[np.float32]:
    """Returns a query, shape (D,), scaled to unit length as float32.

    Raises
    ------
    UsageError
        If the shape is another one, a value is not finite, or the query is zero.

    Examples
    --------
    >>> as_query(np.array([3.0, 4.0]), 2)
    array([0.6, 0.8], dtype=float32)
    """
    if np.shape(vector) != (dimension,):
        raise UsageError(
            f"The query vector has the shape {np.shape(vector)}; this collection needs "
            f"({dimension},)."
        )
    query: NDArray[np.float32] = as_queries(np.asarray(vector)[None], dimension)[0]
    return query
