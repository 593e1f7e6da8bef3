"""The pictures that a search finds, in their order: with a query its neighbours, else all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.app.library.asked import Search
from clr_search.errors import ClrSearchError

if TYPE_CHECKING:
    from clr_search.index import Index, Item

MOST_FOUND = 2000
"""Largest number of neighbours of a query; nobody looks at more, and the nearest are first."""

FIRST_FOUND = 240
"""Neighbours that are looked for at first, of which few visitors see the end: 2,000 of 145,000
pictures take 9 ms to find, and these 1."""

_KEPT = 64  # searches that are remembered


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """Pictures in their order; all of them, or the first.

    Attributes
    ----------
    ids : int64 array (n,)
        Ids of the pictures.
    scores, shares : float array (n,), or of length 0
        Their cosine similarities to the query, and the shares, in per cent, of random pairs of the
        collection that are less alike; without a query, there are none.
    total : int
        Number of all pictures; where these are the first only, there may be fewer.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    total: int

    def reaches(self, count: int) -> bool:
        """Return whether as many pictures are listed as are asked for, or all."""
        return len(self.ids) >= min(count, self.total)


_NONE = np.empty(0)


class Listings:
    """The listings that were asked for last, of one state of the collection."""

    def __init__(self) -> None:
        self._state: object = None
        self._known: OrderedDict[Search, Listing] = OrderedDict()

    def get(self, state: object, search: Search) -> Listing | None:
        """Return a listing of this state that is known, if any."""
        if state is None or state != self._state:
            return None
        if search in self._known:
            self._known.move_to_end(search)
        return self._known.get(search)

    def put(self, state: object, search: Search, listing: Listing) -> None:
        """Remember a listing, and forget those of other states."""
        if state != self._state:
            self._known.clear()
        self._state = state
        self._known[search] = listing
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)


def listed(
    index: Index,
    search: Search,
    vectors: Sequence[NDArray[np.float32]],
    count: int = MOST_FOUND,
    first: Listing | None = None,
) -> Listing:
    """Return the pictures that a search finds, or some more of the first than are asked for.

    Parameters
    ----------
    index : Index
        The collection.
    search : Search
        What is asked.
    vectors : sequence of float32 array (D,)
        The unit vector of each term.
    count : int
        Number of the first pictures that are asked for.
    first : Listing, optional
        The first pictures as they were listed before, which stay the first: a wider search can
        find a picture between them that theirs has missed.

    Raises
    ------
    ClrSearchError
        If no picture passes the filter, or the terms leave no direction.
    """
    if not vectors:
        ids = np.array(index.ids(where=search.filter), dtype=np.int64)
        return _sorted(index, Listing(ids, _NONE, _NONE, len(ids)), search.sort)
    own = [term.item for term in search.terms if term.item is not None and not term.crop]
    plain = search == Search(search.terms, filter=search.filter) and not search.filter
    most = FIRST_FOUND if plain and count <= FIRST_FOUND else MOST_FOUND
    ids, scores = _neighbours(index, search, direction(search, vectors), most, own)
    if first is not None:
        new = ~np.isin(ids, first.ids)
        ids = np.concatenate([first.ids, ids[new]])[:most]
        scores = np.concatenate([first.scores, scores[new]])[:most]
    found_all = most == MOST_FOUND or len(ids) < most
    total = len(ids) if found_all else min(MOST_FOUND, len(index) - len(set(own)))
    shares = index.percentiles(scores)
    listing = Listing(ids, scores, _NONE if shares is None else shares, total)
    return _sorted(index, listing, search.sort)


def _neighbours(
    index: Index, search: Search, vector: NDArray[np.float32], most: int, own: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and scores of the pictures nearest to a vector, without those of the query."""
    matches = index.search_vectors(
        vector[None],
        most,
        exclude=own,
        where=search.filter,
        diverse=search.diverse,
        min_percentile=search.least or None,
    )
    found = matches.ids[0] >= 0
    return matches.ids[0][found], matches.scores[0][found].astype(np.float64)


def direction(search: Search, vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the vector to search by, float32 (D,): the sum of the terms by their weights.

    It is Rocchio's relevance feedback: towards the mean of what results should be like, and away
    from the mean of what they should be unlike.

    Raises
    ------
    ClrSearchError
        If the sum has no direction.
    """
    weights = np.array([term.weight for term in search.terms], dtype=np.float64)
    stacked = np.stack(vectors).astype(np.float64)
    total = np.zeros(stacked.shape[1])
    for side in (weights > 0, weights < 0):
        if side.any():
            total += (weights[side, None] * stacked[side]).mean(axis=0)
    length = float(np.linalg.norm(total))
    if not length > 1e-6:
        raise ClrSearchError(
            "Nothing is left to search by: what counts for a picture and what counts against it "
            "are the same.",
            "Change a weight, or take a picture out of the query.",
        )
    return (total / length).astype(np.float32)


def _sorted(index: Index, listing: Listing, sort: str) -> Listing:
    """Return the listing in another order; by likeness it is already."""
    if sort == "likeness" or not len(listing.ids):
        return listing
    order = np.array(_order(index, listing.ids.tolist(), sort), dtype=np.int64)
    scores, shares = listing.scores, listing.shares
    return Listing(
        listing.ids[order],
        scores[order] if len(scores) else scores,
        shares[order] if len(shares) else shares,
        listing.total,
    )


def _order(index: Index, ids: list[int], sort: str) -> list[int]:
    """Return the positions of pictures by name or by date, those without a date last."""
    known = index.known_items(ids)
    if sort == "name":
        names = {number: item.path.name.casefold() for number, item in known.items()}
        return sorted(range(len(ids)), key=lambda at: (names.get(ids[at], ""), ids[at]))
    dates = _dates(index, known)
    return sorted(range(len(ids)), key=lambda at: dates.get(ids[at], ""), reverse=sort == "newest")


def _dates(index: Index, items: Mapping[int, Item]) -> dict[int, str]:
    """Return when each picture was taken by its EXIF, or its file changed, in ISO 8601."""
    taken = index.values(list(items), "taken")
    return {
        number: str(taken.get(number) or _local(item.mtime_ns)) for number, item in items.items()
    }


def _local(mtime_ns: int) -> str:
    """Return a time of a file by the clock of this machine, as EXIF has it; "" beyond calendars."""
    try:
        return datetime.fromtimestamp(mtime_ns / 1e9).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
