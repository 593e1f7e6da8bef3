"""The copies in a collection: searched for once for all visitors, and kept while they are true."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from clr_search.app.library.background import Background, Doing
from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError
from clr_search.index.catalog.dismissals import Pair, pair_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from clr_search.analysis.copies import Duplicates, Group
    from clr_search.app.library.library import Library
    from clr_search.progress import Reporter


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found.

    Attributes
    ----------
    number : int
        Number of the search, which no other has.
    duplicates : Duplicates
        The groups, which keep their places.
    state : object
        The state of the collection that it is true of.
    """

    number: int
    duplicates: Duplicates
    state: object


class CopySearch:
    """The search for copies, and what people say of its groups.

    Nothing is written while copies are searched for. A remark opens the collection for writing for
    as long as it takes to remember it.

    Parameters
    ----------
    library : Library
        The collection.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._background = Background("search for copies")
        self._saying = threading.Lock()
        self._found: Found | None = None

    def begin(self) -> None:
        """Begin to search.

        Raises
        ------
        ClrSearchError
            If a search is going on.
        """
        self._background.begin(self._search)

    def stop(self) -> None:
        """End the search that is going on, if any."""
        self._background.stop()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the search has ended, or for so many seconds."""
        self._background.wait(seconds)

    def doing(self) -> Doing | None:
        """Return what the search is at; None where none is going on."""
        return self._background.doing()

    def error(self) -> ClrSearchError | None:
        """Return why the last search failed, if it did."""
        return self._background.error()

    def found(self) -> Found | None:
        """Return what was found last, if anything was searched for."""
        return self._found

    def is_stale(self, found: Found) -> bool:
        """Whether the collection has changed since the search, other than by its remarks."""
        return found.state is None or self._library.version() != found.state

    def of(self, number: int) -> Found:
        """Return what the search with this number has found.

        Raises
        ------
        ClrSearchError
            If another search has taken its place.
        """
        found = self._found
        if found is None or found.number != number:
            raise ClrSearchError(
                "The copies have been searched for anew, or the app was started again.",
                "Look at the list as it is now.",
            )
        return found

    def group(self, number: int, place: int) -> Group:
        """Return a group of a search by its place; errors as `of`, or if there is no such group."""
        groups = self.of(number).duplicates.groups
        if place >= len(groups):
            raise ClrSearchError("There is no such group.", "Load the page again.")
        return groups[place]

    def dismissed(self) -> frozenset[Pair]:
        """Return the pairs of contents of which people have said that they are no copies."""
        with self._library.reading() as index:
            return index.dismissed()

    def remember(self, number: int, place: int, item: int | None, *, undo: bool) -> None:
        """Remember that a group has no copies, or that one of its pictures is none of the others.

        Parameters
        ----------
        number, place : int
            The search, and the place of the group.
        item : int or None
            Id of the picture that is no copy; None for all, which are then all to be kept.
        undo : bool
            Whether to forget it again.

        Raises
        ------
        ClrSearchError
            As `group`, if the picture is not in the group or no longer in the collection, or it
            cannot be written, such as while another process writes to it.
        """
        ids = [copy.item.id for copy in self.group(number, place).copies]
        if item is not None and item not in ids:
            raise ClrSearchError("That picture is not in this group.", "Load the page again.")
        first = ids if item is None else [item]
        against = [] if item is None else [other for other in ids if other != item]
        index = self._library.index
        with self._saying:
            before = self._library.version()
            with index.open(index.path, writable=True) as writer:
                writer.dismiss(first, against, undo=undo)
                after = self._library.version()  # nobody else can have written meanwhile
            found = self._found
            if found is not None and found.state == before:
                self._found = Found(found.number, found.duplicates, after)

    def _search(self, reporter: Reporter) -> None:
        """Search, beside everything else; pictures are decoded by processes of their own."""
        from clr_search.analysis.duplicates import find_duplicates
        from clr_search.images.isolation import DecodingWorkers

        workers = DecodingWorkers(max(1, usable_cores() // 2), self._library.workers.limits)
        with workers, self._library.aside() as index:
            state = index.version()
            own = self._library.version()
            duplicates = find_duplicates(index, load=workers.load, reporter=reporter)
            if index.version() != state:
                own = None
        # A number that no search of an earlier start of the app has had, as pages remember it.
        number = max(int(time.time() * 1000), self._found.number + 1 if self._found else 0)
        self._found = Found(number, duplicates, own)


def said_of(group: Group, dismissed: Collection[Pair]) -> set[int]:
    """Return the ids of the pictures of a group that are no copies of any other, as people say."""
    if not dismissed:
        return set()
    copies = group.copies
    said = {copy.item.id for copy in copies}
    for one, other in combinations(copies, 2):
        if pair_of(one.item.sha256, other.item.sha256) not in dismissed:
            said -= {one.item.id, other.item.id}
    return said
