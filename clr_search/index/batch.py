"""Many queries at once: one pass through FAISS, one through the vectors, one product each.

The answers are those of single searches, but for items whose scores differ by less than float32
can tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search.index import ann, memory
from clr_search.index.catalog import Catalog
from clr_search.index.memory import Memory

_BLOCK_VALUES = 2**24  # of a matrix of scores: 64 MB
_QUERIES = 1024  # of which the candidates are read together

Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids, shape (Q, k), and scores of the same shape; -1 and -inf where there are fewer."""


def search(held: Memory, catalog: Catalog, queries: NDArray[np.float32], k: int) -> Found:
    """Ids and scores of the k nearest of each query.

    Parameters
    ----------
    held : Memory
        Of this snapshot.
    catalog : Catalog
        Inside `reading`.
    queries : float32 array, shape (Q, D)
        Of unit length.
    k : int
        At least 1.
    """
    parts = [
        _search(held, catalog, queries[at : at + _QUERIES], k)
        for at in range(0, len(queries), _QUERIES)
    ]
    if not parts:
        return np.empty((0, k), np.int64), np.empty((0, k), np.float32)
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([s for _, s in parts])


def _search(held: Memory, catalog: Catalog, queries: NDArray[np.float32], k: int) -> Found:
    beside = _exact(held.ids, held.rows, queries, k)
    if held.ann is None:
        return beside
    among, few = _from_generation(held, catalog, queries, k)
    ids, scores = _best(
        np.concatenate([beside[0], among[0]], axis=1),
        np.concatenate([beside[1], among[1]], axis=1),
        k,
    )
    nothing = np.empty(0, np.int64)
    for number in few:  # where items that are gone filled the places: alone, with more candidates
        found, exact = memory.search(held, catalog, queries[number], k, None, nothing)
        ids[number, : len(found)], scores[number, : len(found)] = found, exact
    return ids, scores


def _exact(
    ids: NDArray[np.int64], rows: NDArray[np.float32], queries: NDArray[np.float32], k: int
) -> Found:
    """By a product with all rows, some at a time."""
    best = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32)
    step = max(k, _BLOCK_VALUES // max(len(queries), 1))
    for at in range(0, len(ids), step):
        scores = queries @ rows[at : at + step].T
        numbers = np.broadcast_to(ids[at : at + step], scores.shape)
        best = _best(
            np.concatenate([best[0], numbers], axis=1),
            np.concatenate([best[1], scores], axis=1),
            k,
        )
    return best


def _from_generation(
    held: Memory, catalog: Catalog, queries: NDArray[np.float32], k: int
) -> tuple[Found, NDArray[np.int64]]:
    """Candidates scored on the stored vectors, and the queries that have too few of them."""
    index = held.ann
    assert index is not None
    count = ann.candidates(k) * index.width
    near = index.search(queries, count, index.probes_for(count))
    there, rows = held.candidates(catalog, np.unique(near[near >= 0]))
    if not len(there):
        nobody = np.full((len(queries), k), -1), np.full((len(queries), k), -np.inf, np.float32)
        return nobody, np.arange(len(queries) if held.alive else 0)
    place = np.searchsorted(there, near).clip(0, len(there) - 1)
    known = there[place] == near
    scores = np.empty(near.shape, np.float32)
    for number, query in enumerate(queries):
        scores[number] = rows[place[number]] @ query
    scores[~known] = -np.inf
    # As in `memory`: where some are gone, as many as were tuned for must be left.
    needed = k if held.alive == index.count else count
    few = np.flatnonzero(known.sum(axis=1) < min(needed, held.alive))
    return _best(np.where(known, near, -1), scores, k), few


def _best(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Found:
    """The k of greatest score in each row, falling; of equal ones those of smaller id."""
    if scores.shape[1] > k:
        kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        ids = np.take_along_axis(ids, kept, axis=1)
        scores = np.take_along_axis(scores, kept, axis=1)
    order = np.lexsort((ids, -scores), axis=1)
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
