"""What is in a collection: pictures in groups of like ones, and those that are like none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index.search.reader import Reader

_ITERATIONS = 30
_MOST = 40  # chosen by itself: as many as a person looks through


@dataclass(frozen=True, slots=True)
class Cluster:
    """Pictures around one direction.

    Attributes
    ----------
    ids : int64 array, shape (n,)
        Its items, the most typical first.
    scores : float32 array, shape (n,)
        Their cosines to the centre, falling.
    labels : list of (str or None)
        Their labels.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    labels: list[str | None]

    def __len__(self) -> int:
        return len(self.ids)


def find_clusters(
    index: Reader, count: int | None = None, *, under: str | None = None, seed: int = 0
) -> list[Cluster]:
    """Part a collection by spherical k-means on its vectors (FAISS).

    Parameters
    ----------
    index : Index
        The collection.
    count : int, optional
        Number of clusters; √(n / 2), and at most 40, if not given. None is returned empty, so that
        there may be fewer.
    under : str, optional
        Only pictures below this folder.
    seed : int
        Of the first centres.

    Returns
    -------
    list of Cluster
        The largest first.

    Raises
    ------
    UsageError
        If there are no pictures, or fewer than clusters.
    """
    held = index.embeddings(under=under)
    ids, rows = held.ids, held.vectors
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
        seed=seed + 1,  # 0 stands for another default
        spherical=True,
        min_points_per_centroid=1,
    )
    means.train(rows)
    scores, centre = means.index.search(rows, 1)
    scores, centre = scores[:, 0], centre[:, 0]
    clusters = []
    for number in range(count):
        members = np.flatnonzero(centre == number)
        members = members[np.lexsort((ids[members], -scores[members]))]
        if len(members):
            labels = [held.labels[member] for member in members]
            clusters.append(Cluster(ids[members], scores[members], labels))
    return sorted(clusters, key=lambda cluster: (-len(cluster), int(cluster.ids[0])))


def outliers(clusters: list[Cluster], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The pictures least like their own cluster.

    Returns
    -------
    ids : int64 array, shape (min(count, n),)
        The least typical first.
    scores : float32 array of the same shape
        Their cosines to the centre, rising.
    """
    ids = np.concatenate([cluster.ids for cluster in clusters])
    scores = np.concatenate([cluster.scores for cluster in clusters])
    order = np.lexsort((ids, scores))[:count]
    return ids[order], scores[order]
