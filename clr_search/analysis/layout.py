"""A collection laid out in the plane: what is alike lies together.

t-SNE (van der Maaten and Hinton, JMLR 2008) on the vectors by cosine, begun with their first two
principal components, which keeps the large picture (Kobak and Berens, Nature Communications 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index.search.reader import Reader

MOST = 10_000
"""Items laid out; of larger collections an even sample: more do not fit on a screen."""

_PERPLEXITY = 30.0
_LEAST = 8  # items for t-SNE; fewer are laid out by their principal components


@dataclass(frozen=True, slots=True)
class Layout:
    """Places of items.

    Attributes
    ----------
    ids : int64 array, shape (n,)
        Ascending.
    places : float32 array, shape (n, 2)
        In [0, 1].
    total : int
        Items there are; more than n where a sample was taken.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.float32]
    total: int


def lay_out(index: Reader, *, under: str | None = None, most: int = MOST, seed: int = 0) -> Layout:
    """Place the items of a collection.

    Parameters
    ----------
    index : Reader
        The collection; one snapshot of it is laid out.
    under : str, optional
        Only items below this folder.
    most : int
        Items to place.
    seed : int
        Seed of t-SNE.

    Raises
    ------
    UsageError
        If there is nothing to place.
    """
    with index.snapshot():
        ids = np.asarray(index.ids(under=under), np.int64)
        if not len(ids):
            raise UsageError(f"{index.path} has no pictures.")
        even = np.unique(np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(np.int64))
        rows = index.vectors_of(ids[even].tolist())
    return Layout(ids[even], _unit_square(_placed(rows, seed)), len(ids))


def _placed(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    centred = rows - rows.mean(axis=0)
    _, _, axes = np.linalg.svd(centred[:: max(1, len(rows) // 5000)], full_matrices=False)
    flat: NDArray[np.float32] = centred @ axes[:2].T
    flat *= np.sign(axes[:2][[range(len(axes[:2]))], np.abs(axes[:2]).argmax(axis=1)])
    if flat.shape[1] < 2:
        flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    spread = float(flat[:, 0].std())
    if len(rows) < _LEAST or spread < 1e-6:
        return flat
    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (len(rows) - 1) / 3),
        init=flat / spread * 1e-4,
        metric="euclidean",  # of unit vectors: the order is that of cosines, and trees are quick
        random_state=seed,
        n_jobs=-1,
    )
    return np.asarray(tsne.fit_transform(rows), np.float32)


def _unit_square(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shifted and shrunk into [0, 1], with equal scales."""
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max())
    if extent == 0:
        return np.full(places.shape, 0.5, np.float32)
    return np.asarray((places - (low + high) / 2) / extent + 0.5, np.float32)
