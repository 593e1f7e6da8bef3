"""Groups of like pictures, and the pictures that are like no other."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.analysis import clusters
from clr_search.app.overview.work import Progress, Tell, Work

if TYPE_CHECKING:
    from clr_search.app.library.library import Library
    from clr_search.index import Index

MOST_GROUPS = 100
"""Largest number of groups: more than a person looks through."""

MOST_ALONE = 500
"""How many pictures that are like no other are shown."""

_CANDIDATES = 4000  # pictures far from the centres of their groups, compared with all others
_FEW = 10  # pictures of a group that are always compared: each may be its own centre
_HEIGHT = 512  # of them that are compared at a time

_KEPT = 16  # numbers of groups that are remembered


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Like pictures.

    Attributes
    ----------
    ids : int64 array (n,)
        Their ids, the most typical first.
    label : str
        The label that most of them have; empty where no label has more than half.
    share : float
        The share of the pictures that has it.
    """

    ids: NDArray[np.int64]
    label: str
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """A collection in groups.

    Attributes
    ----------
    groups : tuple of Group
        The groups, the largest first.
    alone : int64 array (m,)
        Ids of the pictures that are least like any other, first the least.
    nearest : int64 array (m,)
        Id of the picture that each of them is most like.
    scores : float32 array (m,)
        Their cosine similarities to it.
    """

    groups: tuple[Group, ...]
    alone: NDArray[np.int64]
    nearest: NDArray[np.int64]
    scores: NDArray[np.float32]


class Groupings:
    """The groups of a collection, by how many are wanted; safe to use from several threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._lock = Lock()
        self._works: OrderedDict[int, Work[Grouped]] = OrderedDict()

    def progress(self, count: int) -> Progress[Grouped]:
        """Return how far the work is; `count` 0 leaves the number of groups open."""

        def make(index: Index, tell: Tell) -> Grouped:
            return grouped(index, count, tell)

        with self._lock:
            work = self._works.setdefault(count, Work(self._library, make))
            self._works.move_to_end(count)
            while len(self._works) > _KEPT:
                self._works.popitem(last=False)
        return work.progress()


def grouped(index: Index, count: int, tell: Tell) -> Grouped:
    """Divide a collection into groups of like pictures.

    Parameters
    ----------
    index : Index
        The collection.
    count : int
        The number of groups; 0 for as many as suit the collection.
    tell : callable
        Takes what is being done.

    Raises
    ------
    UsageError
        If the collection has no pictures.
    """
    with index.snapshot():
        tell("Finding groups of like pictures")
        most = max(1, len(index))
        found = clusters.find_clusters(index, min(count, most) or None)
        tell("Looking for pictures that are like no other")
        ids, rows = index.vectors()
    alone, nearest, scores = least_alike(found, ids, rows)
    return Grouped(tuple(map(_group, found)), alone, nearest, scores)


def _group(cluster: clusters.Cluster) -> Group:
    """Return a cluster with the label of most of it."""
    label, count = Counter(cluster.labels).most_common(1)[0]
    share = count / len(cluster)
    return Group(cluster.ids, label or "", share) if share > 0.5 else Group(cluster.ids, "", 0.0)


def least_alike(
    found: list[clusters.Cluster], ids: NDArray[np.int64], rows: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the pictures whose nearest picture is the least like them, that picture, and how like.

    Of large collections only those are compared with all others that are far from the centre of
    their group, or in a group of few: a picture without anything like it is one or the other.

    Parameters
    ----------
    found : list of Cluster
        The groups of the pictures.
    ids : int64 array (n,)
        Ids of the pictures, ascending.
    rows : float32 array (n, D)
        Their unit vectors.

    Returns
    -------
    alone, nearest : int64 array (m,)
        Ids, the least alike first.
    scores : float32 array (m,)
        Cosine similarities, rising.
    """
    far, _ = clusters.outliers(found, _CANDIDATES)
    few = [cluster.ids for cluster in found if len(cluster) < _FEW]
    candidates = np.unique(np.concatenate([far, *few]))
    at = np.searchsorted(ids, candidates)
    best = np.empty(len(at), np.float32)
    nearest = np.empty(len(at), np.int64)
    if len(ids) < 2:
        return candidates[:0], nearest[:0], best[:0]
    for start in range(0, len(at), _HEIGHT):
        part = at[start : start + _HEIGHT]
        scores = rows[part] @ rows.T
        scores[np.arange(len(part)), part] = -2.0  # A picture is not its own neighbour.
        first = scores.argmax(axis=1)
        best[start : start + _HEIGHT] = scores[np.arange(len(part)), first]
        nearest[start : start + _HEIGHT] = ids[first]
    order = np.lexsort((candidates, best))[:MOST_ALONE]
    return candidates[order], nearest[order], best[order]
