"""Groups of vectors that are all alike: pairs above a threshold, joined by complete linkage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_BLOCK_CELLS = 2**24  # similarities held at a time: 64 MB
_MOST = 50  # pairs kept of one row and those after it: thousands of like frames have millions
_TILE = 1024  # rows of a group that are compared at a time
_TAKEN = 65_536  # pairs
_WORTH = 16  # comparisons that are worth being remembered
_TIE = 1e-6  # of products in float32, summed in another order

Together = Callable[[list[int], list[int]], bool]
"""Whether every two across two groups may be in one."""


def near_pairs(
    rows: NDArray[np.float32], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs of rows whose cosine reaches a threshold, the most alike first.

    The matrix of similarities is made in blocks and never held. Of each row, at most its 50
    strongest pairs with later rows are kept: enough to lead from each to all that are like it.

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


def all_reach(
    rows: NDArray[np.float32], first: Sequence[int], second: Sequence[int], threshold: float
) -> bool:
    """Whether every two across, rows at these positions, have at least this cosine.

    Compared in tiles, so that groups of thousands take no memory.
    """
    least = threshold - _TIE
    return all(
        (rows[one] @ rows[other].T).min() >= least
        for one in tiles(first)
        for other in tiles(second)
    )


def tiles(positions: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yields blocks of some hundred rows."""
    return (positions[start : start + _TILE] for start in range(0, len(positions), _TILE))


def complete_groups(pairs: NDArray[np.int64], together: Together) -> list[list[int]]:
    """Join pairs into groups in which all may be together with all.

    The pairs are taken in order, and two groups become one only if every two across may be together
    (complete linkage). So a chain of pictures, each like the next, does not tie together a first
    and a last that have nothing in common.

    Parameters
    ----------
    pairs : int64 array, shape (P, 2)
        Candidates, the most alike first, as from `near_pairs`. Not all that may be together need be
        among them, as long as those that are lead from one to all others.
    together : callable
        Whether every two across two groups may be together.

    Returns
    -------
    list of list of int
        Groups of two and more, ascending, by their first.
    """
    groups: dict[int, _Growing] = {}
    for start in range(0, len(pairs), _TAKEN):  # as lists of Python, millions take gigabytes
        for one, other in pairs[start : start + _TAKEN].tolist():
            first = groups.get(one) or groups.setdefault(one, _Growing([one]))
            second = groups.get(other) or groups.setdefault(other, _Growing([other]))
            if first is second or second in first.refused:
                continue
            if len(first.members) < len(second.members):
                first, second = second, first
            if together(first.members, second.members):
                first.take(second)
                groups.update(dict.fromkeys(second.members, first))
            else:
                first.refuse(second)
    found = {id(group): sorted(group.members) for group in groups.values()}
    return sorted(members for members in found.values() if len(members) > 1)


@dataclass(eq=False, slots=True)
class _Growing:
    """A group, and those that it may not be joined with: never again, since both only grow."""

    members: list[int]
    refused: set[_Growing] = field(default_factory=set)

    def take(self, other: _Growing) -> None:
        self.members.extend(other.members)
        for group in other.refused:
            group.refused.discard(other)
            group.refused.add(self)
        self.refused |= other.refused
        other.refused.clear()

    def refuse(self, other: _Growing) -> None:
        if len(self.members) * len(other.members) >= _WORTH:
            self.refused.add(other)
            other.refused.add(self)
