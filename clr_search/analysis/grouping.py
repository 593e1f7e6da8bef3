"""Groups of like vectors: pairs above a threshold, joined by complete linkage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_BLOCK_CELLS = 2**24  # similarities in memory at a time: 64 MB
_MOST = 50  # pairs of one row with later rows: thousands of like frames would have millions
_TAKEN = 65_536  # pairs turned into Python lists at a time: millions would take gigabytes
_WORTH = 16  # comparisons from which a refusal is cached: fewer are made again just as fast

Together = Callable[[list[int], list[int]], bool]
"""Tells whether every member of one group may be in a group with every member of another."""


def near_pairs(
    rows: NDArray[np.float32], threshold: float, others: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the pairs of rows whose cosine reaches a threshold, the most alike first.

    Similarities are computed in blocks, so that the whole matrix is never in memory. Of each row,
    at most the 50 strongest pairs with later rows are returned: enough to connect like rows.

    Parameters
    ----------
    rows : float32 array, shape (N, D)
        Rows of unit length.
    threshold : float
        Least cosine, in [-1, 1].
    others : float32 array, shape (N, D), optional
        Other rows of the same things, which the first of each pair is compared with; the rows
        themselves if not given.

    Returns
    -------
    pairs : int64 array, shape (P, 2)
        Positions of the two rows of each pair, the smaller first.
    scores : float32 array, shape (P,)
        Cosines of the pairs, falling; equal ones are in the order of the positions.

    Examples
    --------
    >>> near_pairs(np.array([[1, 0], [0, 1], [1, 0]], np.float32), 0.9)
    (array([[0, 2]]), array([1.], dtype=float32))
    """
    blocks = list(_blocks(rows, rows if others is None else others, threshold))
    if not blocks:
        return np.empty((0, 2), np.int64), np.empty(0, np.float32)
    pairs = np.concatenate([values for values, _ in blocks])
    scores = np.concatenate([values for _, values in blocks])
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -scores))
    return pairs[order], scores[order]


def _blocks(
    rows: NDArray[np.float32], others: NDArray[np.float32], threshold: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yields pairs and their cosines, a block of rows at a time."""
    height = max(1, _BLOCK_CELLS // max(1, len(rows)))
    for start in range(0, len(rows), height):
        scores = rows[start : start + height] @ others[start:].T
        hits = np.triu(scores >= threshold, k=1)
        for crowded in np.flatnonzero(hits.sum(axis=1) > _MOST):
            line = np.where(hits[crowded], scores[crowded], -np.inf)
            hits[crowded] = False
            hits[crowded, np.argpartition(-line, _MOST)[:_MOST]] = True
        first, second = np.nonzero(hits)
        if len(first):
            yield np.stack([first, second], axis=1) + start, scores[first, second]


def complete_groups(pairs: NDArray[np.int64], together: Together) -> list[list[int]]:
    """Join pairs into groups in which every member may be together with every other.

    The pairs are taken in order, and two groups are joined only if every member of one may be
    together with every member of the other (complete linkage). A chain of pictures, each like the
    next, therefore does not join a first and a last picture that have nothing in common.

    Parameters
    ----------
    pairs : int64 array, shape (P, 2)
        Candidates, the most alike first, as `near_pairs` returns them. Pairs may be missing as long
        as the others connect the members of a group.
    together : callable
        Tells whether every member of one group may be together with every member of another.

    Returns
    -------
    list of list of int
        Groups of two or more positions, ascending, in the order of their first positions.

    Examples
    --------
    >>> complete_groups(np.array([[0, 2], [1, 2]]), lambda first, second: 1 not in first + second)
    [[0, 2]]
    """
    groups: dict[int, _Growing] = {}
    for start in range(0, len(pairs), _TAKEN):
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
    members_by_group = {id(group): sorted(group.members) for group in groups.values()}
    return sorted(members for members in members_by_group.values() if len(members) > 1)


@dataclass(eq=False, slots=True)
class _Growing:
    """A group, and the groups that it may not be joined with; as both only grow, it never may."""

    members: list[int]
    refused: set[_Growing] = field(default_factory=set)

    def take(self, other: _Growing) -> None:
        """Adds the members of another group, and the groups that it may not be joined with."""
        self.members.extend(other.members)
        for group in other.refused:
            group.refused.discard(other)
            group.refused.add(self)
        self.refused |= other.refused
        other.refused.clear()

    def refuse(self, other: _Growing) -> None:
        """Remembers that the two groups may not be joined, if comparing them again takes long."""
        if len(self.members) * len(other.members) >= _WORTH:
            self.refused.add(other)
            other.refused.add(self)
