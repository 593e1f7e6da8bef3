"""Many queries at once: one pass through FAISS for all of them.

The answers are those of single searches, but for items whose scores differ by less than float32
can tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import Ann, Selector
from clr_search.index.search import snapshot
from clr_search.index.search.snapshot import Memory

_BLOCK_VALUES = 2**24  # of a matrix of scores: 64 MB
_QUERIES = 1024  # answered together

Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids, shape (Q, k), and scores of the same shape; -1 and -inf where there are fewer."""


def search(held: Memory, queries: NDArray[np.float32], k: int) -> Found:
    """Ids and scores of the k nearest of each query.

    Parameters
    ----------
    held : Memory
        Of the collection.
    queries : float32 array, shape (Q, D)
        Of unit length.
    k : int
        At least 1.
    """
    if not len(queries):
        return np.empty((0, k), np.int64), np.empty((0, k), np.float32)
    if len(queries) <= _QUERIES:
        return _search(held, queries, k)
    parts = [
        _search(held, queries[at : at + _QUERIES], k) for at in range(0, len(queries), _QUERIES)
    ]
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([s for _, s in parts])


def _search(held: Memory, queries: NDArray[np.float32], k: int) -> Found:
    if held.ann is None:
        return _exact(held.ids, held.rows, queries, k)
    among, few = _from_generation(held.ann, queries, k, held.among)
    if len(held.ids) or among[0].shape[1] < k:
        among = _joined(_exact(held.ids, held.rows, queries, k), among)
    ids, scores = _best(*among, k)
    nothing = np.empty(0, np.int64)
    for number in few:  # where too few are left in the cells visited: alone, with more of them
        found, exact = snapshot.search(held, queries[number], k, None, nothing)
        ids[number, : len(found)], scores[number, : len(found)] = found, exact
    return ids, scores


def _exact(
    ids: NDArray[np.int64], rows: NDArray[np.float32], queries: NDArray[np.float32], k: int
) -> Found:
    """By a product with all rows, some at a time."""
    best = np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32)
    step = max(k, _BLOCK_VALUES // max(len(queries), 1))
    for at in range(0, len(ids), step):
        scores = queries @ rows[at : at + step].T
        numbers = np.broadcast_to(ids[at : at + step], scores.shape)
        best = _best(*_joined(best, (numbers, scores)), k)
    return best


def _from_generation(
    index: Ann, queries: NDArray[np.float32], k: int, among: Selector | None
) -> tuple[Found, NDArray[np.intp]]:
    """The nearest, and the queries that have too few of them."""
    returned, asked, probes, needed = index.effort(k, among)
    places, products = index.search(queries, returned, asked, probes, among)
    none = places < 0
    products[none] = -np.inf
    ids, scores = index.held.ids[places], products * index.held.scale[places]
    ids[none] = -1
    return (ids, scores), np.flatnonzero((~none).sum(axis=1) < needed)


def _joined(one: Found, other: Found) -> Found:
    return np.concatenate([one[0], other[0]], axis=1), np.concatenate([one[1], other[1]], axis=1)


def _best(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Found:
    """The k of greatest score in each row, falling; of equal ones those of smaller id."""
    row = np.arange(len(ids))[:, None]
    if scores.shape[1] > 4 * k:
        kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        ids, scores = ids[row, kept], scores[row, kept]
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    return ids[row, order], scores[row, order]
