"""Groups of vectors that are all alike: pairs above a threshold, joined by complete linkage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

_BLOCK_CELLS = 2**24  # similarities held at a time: 64 MB
_MOST = 50  # pairs kept of one row and those after it: thousands of like frames have millions


def near_pairs(
    rows: NDArray[np.float32], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs of rows whose cosine reaches a threshold, the most alike first.

    The matrix of similarities is made in blocks and never held. Of each row, at most its 50
    strongest pairs with later rows are kept.

    Parameters
    ----------
    rows : float32 array, shape (N, D)
        Of unit length.
    threshold : float
        Least cosine.

    Returns
    -------
    pairs : int64 array, shape (P, 2)
        Positions, the smaller first.
    scores : float32 array, shape (P,)
        Their cosines, falling; ties by position.
    """
    found = list(_blocks(rows, threshold))
    if not found:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    pairs = np.concatenate([block for block, _ in found])
    scores = np.concatenate([block for _, block in found])
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -scores))
    return pairs[order], scores[order]


def _blocks(
    rows: NDArray[np.float32], threshold: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    height = max(1, _BLOCK_CELLS // max(1, len(rows)))
    for start in range(0, len(rows), height):
        scores = rows[start : start + height] @ rows[start:].T
        hits = np.triu(scores >= threshold, k=1)
        for crowded in np.flatnonzero(hits.sum(axis=1) > _MOST):
            line = np.where(hits[crowded], scores[crowded], -np.inf)
            hits[crowded] = False
            hits[crowded, np.argpartition(-line, _MOST)[:_MOST]] = True
        first, second = np.nonzero(hits)
        if len(first):
            yield np.stack([first, second], axis=1) + start, scores[first, second]


def complete_groups(
    pairs: NDArray[np.int64], allowed: Callable[[int, int], bool]
) -> list[list[int]]:
    """Join pairs into groups in which all may be together with all.

    The pairs are taken in order, and two groups become one only if every two across are allowed
    (complete linkage). So a chain of pictures, each like the next, does not tie together a first
    and a last that have nothing in common.

    Parameters
    ----------
    pairs : int64 array, shape (P, 2)
        The smaller first; the most alike first, as from `near_pairs`.
    allowed : callable
        Whether two, the smaller first, may be in one group.

    Returns
    -------
    list of list of int
        Groups of two and more, ascending, by their first.
    """
    group_of: dict[int, list[int]] = {}
    for one, other in pairs.tolist():
        first = group_of.setdefault(one, [one])
        second = group_of.setdefault(other, [other])
        if first is second:
            continue
        if all(allowed(min(a, b), max(a, b)) for a in first for b in second):
            first.extend(second)
            group_of.update(dict.fromkeys(second, first))
    groups = {id(group): sorted(group) for group in group_of.values() if len(group) > 1}
    return sorted(groups.values())
