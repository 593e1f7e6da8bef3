"""`Neighbours`, the one result of every search below `Matches`, and the arithmetic on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-5
"""Largest error of a float32 dot product of unit vectors that is allowed for when the best are
picked, before they are ranked in float64."""

_BLOCK_VALUES = 2**24
"""Most float32 scores that are in memory at once, 64 MB, whatever the number of queries."""


class Neighbours(NamedTuple):
    """The nearest items of each query, the nearest first.

    Attributes
    ----------
    ids : int64 array, shape (Q, k)
        Ids of items; -1 at the end of a row where fewer were found.
    scores : float32 or float64 array, shape (Q, k)
        Cosine similarities, never rising along a row; -inf where there is no id.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.floating]

    @classmethod
    def none(cls, queries: int, k: int = 0) -> Neighbours:
        """Returns `queries` rows of k columns in which nothing was found."""
        return cls(np.full((queries, k), -1), np.full((queries, k), -np.inf, np.float32))

    def best(self, k: int) -> Neighbours:
        """Returns the k greatest scores of each row, falling; equal scores are in order of id.

        Examples
        --------
        >>> row = Neighbours(np.array([[4, 5, 6]]), np.array([[0.1, 0.9, 0.9]]))
        >>> row.best(2).ids
        array([[5, 6]])
        """
        ids, scores = self
        if len(ids) == 1 and scores.shape[1] <= 4 * k:  # half the time of what follows
            order = np.lexsort((ids[0], -scores[0]))[:k]
            return Neighbours(ids.take(order, axis=1), scores.take(order, axis=1))
        row = np.arange(len(ids))[:, None]
        if scores.shape[1] > 4 * k:
            columns = np.argpartition(-scores, k - 1, axis=1)[:, :k]
            ids, scores = ids[row, columns], scores[row, columns]
        order = np.lexsort((ids, -scores), axis=1)[:, :k]
        return Neighbours(ids[row, order], scores[row, order])

    def joined(self, other: Neighbours) -> Neighbours:
        """Returns the columns of both, side by side; `best` brings them into order."""
        return Neighbours(
            np.concatenate([self.ids, other.ids], axis=1),
            np.concatenate([self.scores, other.scores], axis=1),
        )

    def without(self, excluded: NDArray[np.int64]) -> Neighbours:
        """Returns the neighbours without these ids: -1 and -inf stand in their places.

        Examples
        --------
        >>> Neighbours(np.array([[4, 5]]), np.array([[0.9, 0.1]])).without(np.array([4])).ids
        array([[-1,  5]])
        """
        if not len(excluded):
            return self
        removed = np.isin(self.ids, excluded)
        return Neighbours(np.where(removed, -1, self.ids), np.where(removed, -np.inf, self.scores))


def nearest(
    ids: NDArray[np.int64],
    rows: NDArray[np.float32],
    queries: NDArray[np.float32],
    k: int,
    counted: NDArray[np.bool_] | None = None,
) -> Neighbours:
    """Returns the k rows of greatest cosine similarity to each query, by an exact scan.

    Parameters
    ----------
    ids : int64 array, shape (N,)
        Ids of the rows.
    rows : float32 array, shape (N, D)
        Unit vectors.
    queries : float32 array, shape (Q, D)
        Unit vectors.
    k : int
        Number of neighbours, at least 1.
    counted : bool array, shape (N,), optional
        Whether each row may be found; all may by default. It is a mask, since copying the rows
        takes longer than scanning them.

    Returns
    -------
    Neighbours
        Rows of k columns. The scores of a single query are ranked in float64, so that equal
        vectors have equal scores wherever they stand; those of many queries are float32.

    Examples
    --------
    >>> rows = np.eye(3, dtype=np.float32)
    >>> nearest(np.array([7, 8, 9]), rows, rows[:1], 2).ids
    array([[7, 8]])
    """
    if len(queries) == 1:
        return _nearest_to_one(ids, rows, queries[0], k, counted)
    if counted is not None:
        ids, rows = ids[counted], rows[counted]
    best = Neighbours.none(len(queries), k)
    step = max(k, _BLOCK_VALUES // max(len(queries), 1))
    for start in range(0, len(ids), step):
        scores = queries @ rows[start : start + step].T
        numbers = np.broadcast_to(ids[start : start + step], scores.shape)
        best = best.joined(Neighbours(numbers, scores)).best(k)
    return best


_SCORED_AT_ONCE = 64
"""Up to this many rows, scoring all of them in float64 is quicker than finding out which to."""


def _nearest_to_one(
    ids: NDArray[np.int64],
    rows: NDArray[np.float32],
    query: NDArray[np.float32],
    k: int,
    counted: NDArray[np.bool_] | None,
) -> Neighbours:
    """Returns the nearest rows of one query, ranked in float64.

    The scan is a float32 product, row by row without BLAS: it is bound by memory, and the threads
    of BLAS take a hundred times longer on a busy machine, waiting for each other. Rows that could
    be among the best are scored again in float64.
    """
    count = len(ids) if counted is None else int(np.count_nonzero(counted))
    if count > max(k, _SCORED_AT_ONCE):
        rough = np.einsum("nd,d->n", rows, query)
        if counted is not None:
            rough[~counted] = -np.inf
        floor = np.partition(rough, len(rough) - k)[len(rough) - k] - ROUNDING
        counted = rough >= floor
    if counted is not None:
        ids, rows = ids[counted], rows[counted]
    scores = (rows.astype(np.float64) * query.astype(np.float64)).sum(axis=1).clip(-1.0, 1.0)
    order = np.lexsort((ids, -scores))[:k]
    best = Neighbours(np.full((1, k), -1), np.full((1, k), -np.inf))
    best.ids[0, : len(order)], best.scores[0, : len(order)] = ids[order], scores[order]
    return best
