"""Clusters of like pictures in a collection, and outliers, which are like no other picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index.search.reader import Reader

_ITERATIONS = 30  # of k-means: more hardly move the centres
_MOST = 40  # clusters if no number is given: as many as a person looks through


@dataclass(frozen=True, slots=True)
class Cluster:
    """A group of like pictures, around one centre.

    Attributes
    ----------
    ids : int64 array, shape (n,)
        Ids of the items, the most typical first.
    scores : float32 array, shape (n,)
        Cosines of the items to the centre, in [-1, 1], falling.
    labels : list of (str or None), length n
        Labels of the items.

    Examples
    --------
    >>> len(Cluster(np.array([7, 4]), np.array([0.9, 0.8], np.float32), ["rose", None]))
    2
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    labels: list[str | None]

    def __len__(self) -> int:
        """Number of items."""
        return len(self.ids)


def find_clusters(
    index: Reader, count: int | None = None, *, under: str | None = None, seed: int = 0
) -> list[Cluster]:
    """Divide a collection into clusters by spherical k-means on its vectors (FAISS).

    Parameters
    ----------
    index : Index
        The collection.
    count : int, optional
        Number of clusters; √(n / 2), but at most 40, if not given. Fewer are returned if some
        of them are empty.
    under : str, optional
        Only pictures below this folder.
    seed : int
        Seed of the draw of the first centres.

    Returns
    -------
    list of Cluster
        The clusters, the largest first.

    Raises
    ------
    UsageError
        If there are no pictures, or fewer than clusters.

    Examples
    --------
    ::

        for cluster in find_clusters(index, 12):
            print(len(cluster), index.item(int(cluster.ids[0])).path)
    """
    embedded = index.embeddings(under=under)
    ids, rows = embedded.ids, embedded.vectors
    if not len(ids):
        raise UsageError(f"{index.path} has no pictures.")
    count = count or min(_MOST, max(1, round(math.sqrt(len(ids) / 2))))
    if count > len(ids):
        raise UsageError(
            f"{count} clusters cannot be made of {len(ids)} pictures.", "Give fewer --clusters."
        )
    import faiss

    means = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=_ITERATIONS,
        seed=seed + 1,  # FAISS takes 0 for its default seed
        spherical=True,
        min_points_per_centroid=1,
    )
    means.train(rows)
    scores, centre = means.index.search(rows, 1)
    scores, centre = scores[:, 0], centre[:, 0]
    clusters = []
    for cluster_number in range(count):
        members = np.flatnonzero(centre == cluster_number)
        members = members[np.lexsort((ids[members], -scores[members]))]
        if len(members):
            labels = [embedded.labels[member] for member in members]
            clusters.append(Cluster(ids[members], scores[members], labels))
    return sorted(clusters, key=lambda cluster: (-len(cluster), int(cluster.ids[0])))


def outliers(clusters: list[Cluster], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the pictures that are least like the centre of their own cluster.

    Parameters
    ----------
    clusters : list of Cluster
        At least one cluster, as `find_clusters` returns them.
    count : int
        The number of pictures.

    Returns
    -------
    ids : int64 array, shape (min(count, n),)
        Ids of the pictures, the least typical first.
    scores : float32 array, shape (min(count, n),)
        Cosines of the pictures to their centres, rising.

    Examples
    --------
    >>> cluster = Cluster(np.array([7, 4]), np.array([0.75, 0.5], np.float32), [None, None])
    >>> outliers([cluster], 1)
    (array([4]), array([0.5], dtype=float32))
    """
    ids = np.concatenate([cluster.ids for cluster in clusters])
    scores = np.concatenate([cluster.scores for cluster in clusters])
    order = np.lexsort((ids, scores))[:count]
    return ids[order], scores[order]
