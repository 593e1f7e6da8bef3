"""The search for copies as the page makes it, and what a person says about its groups."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError
from clr_search.images import Load

if TYPE_CHECKING:
    from clr_search.analysis.copies import Duplicates


@dataclass(frozen=True, slots=True)
class Remark:
    """What a person may say: that pictures are no copies, or are all to be kept.

    Attributes
    ----------
    numbers : tuple of int
        Ids of the pictures.
    against : tuple of int
        Ids of the others that each of them is no copy of; empty for each other.
    is_remembered : bool
        Whether it has been said.
    """

    numbers: tuple[int, ...]
    against: tuple[int, ...] = ()
    is_remembered: bool = False


class Review:
    """A collection whose copies are looked through.

    Nothing is written while they are searched for. A remark opens the collection for writing for as
    long as it takes to remember it.

    Parameters
    ----------
    collection : path
        The collection.
    load : callable
        Decodes the files.
    may_remember : bool
        Whether remarks are accepted.
    """

    def __init__(self, collection: Path, load: Load, *, may_remember: bool = True) -> None:
        self._collection, self._load, self.may_remember = collection, load, may_remember
        self._searching = threading.Lock()

    def find(self) -> Duplicates:
        """Return the copies in the collection, as it is now.

        Raises
        ------
        ClrSearchError
            If another search for copies is going on.
        """
        from clr_search.analysis.duplicates import find_duplicates
        from clr_search.index import Index

        if not self._searching.acquire(blocking=False):
            raise ClrSearchError(
                "A search for copies is going on already.", "Wait until it has ended."
            )
        try:
            with Index.open(self._collection) as index:
                return find_duplicates(index, load=self._load)
        finally:
            self._searching.release()

    def remember(self, remark: Remark) -> Remark:
        """Remember a remark in the collection, or forget one that is remembered.

        Returns
        -------
        Remark
            The remark as it is now.

        Raises
        ------
        ClrSearchError
            If no remarks are accepted, a picture is no longer in the collection, or it cannot be
            written, such as while another process writes to it.
        """
        from clr_search.index import Index

        if not self.may_remember:
            raise ClrSearchError(
                "Nothing is remembered from here, as everybody in the network could say it.",
                "Use clr-search duplicates --dismiss, or start the app with --auth FILE.",
            )
        with Index.open(self._collection, writable=True) as index:
            index.dismiss(remark.numbers, remark.against, undo=remark.is_remembered)
        return replace(remark, is_remembered=not remark.is_remembered)
