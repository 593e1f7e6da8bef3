"""A map of a collection: like pictures lie together in the plane.

The map is t-SNE (van der Maaten and Hinton, JMLR 2008) of the vectors by cosine. It starts from the
first two principal components, which preserves the global structure (Kobak and Berens, Nature
Communications 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.cores import one_thread
from clr_search.errors import UsageError
from clr_search.index.catalog.filters import Filter
from clr_search.index.search.reader import Reader

MOST = 10_000
"""Most items on a map, an even sample of larger collections: more do not fit on a screen."""

_PERPLEXITY = 30.0  # the usual choice, and the default of scikit-learn
_LEAST = 8  # items for t-SNE; fewer are placed by their principal components
_HEIGHT = 1024  # items that are compared with all placed ones at a time
_NEIGHBOURS = 5  # placed items by which a further one is placed
_NEAR = 0.02  # of the width of the map: neighbours farther from the first lie in another region
_BESIDE = 0.3  # how far beside its place an item is put, of the mean distance between items


@dataclass(frozen=True, slots=True)
class Layout:
    """The positions of items in the plane.

    Attributes
    ----------
    ids : int64 array, shape (n,)
        Ids of the items, ascending.
    places : float32 array, shape (n, 2)
        Coordinates x and y of the items, in [0, 1].
    total : int
        The number of items there are, which is more than n if a sample was taken.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.float32]
    total: int


def lay_out(
    index: Reader,
    *,
    under: str | None = None,
    where: Filter | None = None,
    most: int = MOST,
    seed: int = 0,
) -> Layout:
    """Place the items of a collection in the plane, like ones together.

    Parameters
    ----------
    index : Reader
        The collection; one snapshot of it is laid out.
    under : str, optional
        Only items below this folder.
    where : Filter, optional
        Only items that meet these conditions.
    most : int
        Most items to place; an even sample is taken of more.
    seed : int
        Seed of t-SNE.

    Returns
    -------
    Layout
        Ids and coordinates of the items.

    Raises
    ------
    UsageError
        If the collection has no pictures, or none meets the conditions.

    Examples
    --------
    ::

        layout = lay_out(index, most=2000)
        x, y = layout.places.T
    """
    with index.snapshot():
        ids = np.asarray(index.ids(under=under, where=where), np.int64)
        if not len(ids):
            raise UsageError(f"{index.path} has no pictures.")
        sample = np.unique(np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(np.int64))
        rows = index.vectors_of(ids[sample].tolist())
    return Layout(ids[sample], _unit_square(_placed(rows, seed)), len(ids))


def place_among(
    rows: NDArray[np.float32],
    places: NDArray[np.float32],
    others: NDArray[np.float32],
    seed: int = 0,
) -> NDArray[np.float32]:
    """Place further items on a map, each beside those items on it that it is most like.

    It is how a map of any size is made of a layout of `MOST` items, and how it stays as it is where
    items come. t-SNE of all would take an hour at a hundred thousand.

    Parameters
    ----------
    rows : float32 array, shape (n, D)
        Unit vectors of the items on the map, at least one.
    places : float32 array, shape (n, 2)
        Their coordinates, in [0, 1].
    others : float32 array, shape (m, D)
        Unit vectors of the items to place.
    seed : int
        Seed of the small distances that keep like items from lying on one another.

    Returns
    -------
    float32 array, shape (m, 2)
        The coordinates of the others, in [0, 1].

    Examples
    --------
    >>> rows, places = np.eye(2, dtype=np.float32), np.array([[0, 0], [1, 1]], np.float32)
    >>> place_among(rows, places, rows[1:]).round()
    array([[1., 1.]], dtype=float32)
    """
    middles = [
        _among(rows, places, others[start : start + _HEIGHT])
        for start in range(0, len(others), _HEIGHT)
    ]
    middle = np.concatenate([places[:0], *middles])
    beside = np.random.default_rng(seed).normal(size=middle.shape)
    beside *= _BESIDE / np.sqrt(len(rows) + len(others))
    return np.asarray(np.clip(middle + beside, 0, 1), np.float32)


def _among(
    rows: NDArray[np.float32], places: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns the weighted mean of the places of the nearest rows of each other, shape (m, 2)."""
    scores = others @ rows.T
    count = min(_NEIGHBOURS, len(rows))
    nearest = np.argpartition(scores, -count, axis=1)[:, -count:]
    cosines = np.take_along_axis(scores, nearest, axis=1)
    order = np.argsort(-cosines, axis=1)
    cosines = np.take_along_axis(cosines, order, axis=1)
    around = places[np.take_along_axis(nearest, order, axis=1)]
    # Between two regions of the map there is nothing that is like either: only neighbours in the
    # region of the first have a say.
    away = np.linalg.norm(around - around[:, :1], axis=2)
    distances = np.maximum(1 - cosines, 1e-6)
    weights = np.where(away <= _NEAR, (distances[:, :1] / distances) ** 2, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray((around * weights[:, :, None]).sum(axis=1), np.float32)


def _placed(rows: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Returns coordinates of the rows, shape (n, 2), of any scale."""
    from sklearn.manifold import TSNE

    centred = rows - rows.mean(axis=0)
    with one_thread():
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
        metric="euclidean",  # orders unit vectors as the cosine does, and allows fast trees
        random_state=seed,
        n_jobs=-1,
    )
    return np.asarray(tsne.fit_transform(rows), np.float32)


def _unit_square(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the coordinates shifted and scaled into [0, 1], both axes by the same factor."""
    low, high = places.min(axis=0), places.max(axis=0)
    extent = float((high - low).max())
    if extent == 0:
        return np.full(places.shape, 0.5, np.float32)
    return np.asarray((places - (low + high) / 2) / extent + 0.5, np.float32)
