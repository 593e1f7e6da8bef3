"""`Chart`: the map of a collection, all of whose pictures have a place in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.analysis import layout
from clr_search.app.overview import kept
from clr_search.app.overview.classes import Classes, by_folder, by_label
from clr_search.app.overview.kept import Kept
from clr_search.app.overview.work import Tell
from clr_search.index.catalog.filters import Filter

if TYPE_CHECKING:
    from clr_search.index import Index

MOST = 300_000
"""Largest number of pictures on the map, an even sample of larger collections."""

_MOST_ADDED = 0.2  # Where more of a map has come since it was laid out, it is laid out anew.

_HEIGHT = 8192  # vectors that are multiplied at a time


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """The map of a collection; position i of each array belongs to one picture.

    The pictures come in a random order, which is always the same: so no class of pictures hides
    another where they are drawn in turn, and the first are a fair sample of all.

    Attributes
    ----------
    ids : int64 array (n,)
        Ids of the pictures.
    places : float32 array (n, 2)
        Coordinates in [0, 1].
    vectors : float16 array (n, D)
        Their vectors, to colour the map by likeness to a query.
    labels, folders : Classes
        Classes of the pictures.
    total : int
        How many pictures the collection has, which may be more.
    token : str
        It changes with the map or its classes.
    """

    ids: NDArray[np.int64]
    places: NDArray[np.float32]
    vectors: NDArray[np.float16]
    labels: Classes
    folders: Classes
    total: int
    token: str

    def scores(self, direction: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine similarity of each picture to a unit vector, float32 (n,)."""
        return np.concatenate(
            [
                self.vectors[start : start + _HEIGHT].astype(np.float32) @ direction
                for start in range(0, len(self.vectors), _HEIGHT)
            ]
        )


def chart_of(index: Index, path: Path | None, tell: Tell) -> Chart:
    """Return the map of a collection, as far as possible the one that is kept in a file.

    Pictures that have come since are placed beside those that are like them, and all others stay
    where they are. Only where many have come is the whole laid out anew.

    Parameters
    ----------
    index : Index
        The collection.
    path : path or None
        Where the map is kept; None keeps none.
    tell : callable
        Takes what is being done.

    Raises
    ------
    UsageError
        If the collection has no pictures.
    """
    with index.snapshot():
        tell("Reading what the pictures are like")
        everything = index.ids()
        among = sampled(everything)
        known = index.embeddings(where=among)
        marks = kept.marks_of(known.vectors)
        old = kept.read(path) if path else None
        new = _placed(index, among, known.ids, known.vectors, marks, old, tell)
        if path and new is not old:
            kept.write(path, new)
        tell("Reading labels and folders")
        order = np.random.default_rng(0).permutation(len(known.ids))
        labels = by_label([known.labels[at] for at in order])
        folders = by_folder([str(known.paths[at]) for at in order])
    ids, places = known.ids[order], new.places[order]
    said = sha256(ids.tobytes() + places.tobytes())
    for classes in (labels, folders):
        said.update(classes.codes.tobytes() + repr(classes.names).encode("utf-8", "replace"))
    vectors = known.vectors.astype(np.float16)[order]
    return Chart(ids, places, vectors, labels, folders, len(everything), said.hexdigest()[:16])


def sampled(ids: Sequence[int], most: int | None = None) -> Filter | None:
    """Return the condition to be in an even sample of pictures; None where it is all of them.

    Examples
    --------
    >>> sampled(range(10), 4).ids, sampled(range(10))
    ((0, 3, 6, 9), None)
    """
    most = most or MOST
    if len(ids) <= most:
        return None
    at = np.linspace(0, len(ids) - 1, most).astype(np.int64)
    return Filter(ids=tuple(ids[place] for place in at), on_disk=False)


def _placed(
    index: Index,
    among: Filter | None,
    ids: NDArray[np.int64],
    rows: NDArray[np.float32],
    marks: NDArray[np.uint64],
    old: Kept | None,
    tell: Tell,
) -> Kept:
    """Return the places of all pictures: the known map where nothing has changed."""
    if old is not None:
        at = old.find(ids, marks)
        there = at >= 0
        added = old.added + int((~there).sum())
        if there.any() and added <= _MOST_ADDED * len(ids):
            if there.all() and len(ids) == len(old.ids):
                return old
            places = np.empty((len(ids), 2), np.float32)
            places[there] = old.places[at[there]]
            _add(rows, places, there, tell)
            return Kept(ids, marks, places, added)
    count = f"{min(len(ids), layout.MOST):,}"
    tell(f"Laying out {count} pictures, so that like ones lie together")
    laid = layout.lay_out(index, where=among)
    places = np.empty((len(ids), 2), np.float32)
    there = np.isin(ids, laid.ids)
    places[there] = laid.places
    _add(rows, places, there, tell)
    return Kept(ids, marks, places)


def _add(
    rows: NDArray[np.float32],
    places: NDArray[np.float32],
    there: NDArray[np.bool_],
    tell: Tell,
) -> None:
    """Fill in the places of those that are not there yet."""
    if there.all():
        return
    among = np.flatnonzero(there)[:: max(1, int(there.sum()) // layout.MOST)]
    tell(f"Placing {int((~there).sum()):,} more among them")
    places[~there] = layout.place_among(rows[among], places[among], rows[~there])
