"""Keeping a collection up to date while its folders change.

The file system says where something has happened; what it was, an ordinary update finds out, which
looks only there. It looks at everything at first, once an hour, and wherever what was told may not
be all: the system's queue was full, a name is no text, an update failed, somebody else wrote, links
lie in the folders, or nothing is told at all. A picture that was still being written is tried again
when the rest of it has come. The writer's lock is held during an update only.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog.lock import LockedError
from clr_search.index.catalog.paths import below, folder_identity
from clr_search.index.collection import Index
from clr_search.index.info import IndexInfo
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.watch import Watch
from clr_search.progress import Reporter
from clr_search.serve.devices import AUTO

RETRY = 30.0
"""Seconds until an update that failed is tried again, where nothing changes before."""

FULL = 3600.0
"""Seconds after which an update looks at everything, whatever was told."""

_PAUSE = 0.2  # seconds between two looks at a lock


@dataclass(frozen=True, slots=True)
class Updated:
    """An update that was made.

    Attributes
    ----------
    report : UpdateReport
        What the update did.
    info : IndexInfo
        The collection after it.
    seconds : float
        How long it took.
    revision : int
        Of the collection after it; another one tells that somebody else has written since.
    """

    report: UpdateReport
    info: IndexInfo
    seconds: float
    revision: int


class _Trust:
    """Whether what a watch tells is all that may have changed since the last update."""

    def __init__(self) -> None:
        self._last: Updated | None = None
        self._untold = False  # for good: a folder that can be listed again is not watched
        self._due = -math.inf

    def note(self, update: Updated, *, everything: bool) -> None:
        """Go by an update of all folders, and by whether it looked at everything."""
        self._last = update
        self._untold = self._untold or update.report.untold
        if everything:
            self._due = time.monotonic() - update.seconds + FULL

    def forget(self) -> None:
        """Have the next update look at everything."""
        self._last = None

    def left(self) -> float:
        """Seconds until an update looks at everything anyway."""
        return max(0.0, self._due - time.monotonic())

    def places(self, told: frozenset[str] | None, revision: int) -> frozenset[str] | None:
        """Where to look in a collection of this revision; None for everywhere."""
        last = self._last
        if told is None or last is None or self._untold or last.revision != revision:
            return None
        if not self.left():
            return None
        # What could not be read is tried again at every update.
        return told | {str(entry.path) for entry in last.report.skipped}


@dataclass(frozen=True, slots=True)
class Follower:
    """Keeps a collection up to date with the folders that are watched.

    Attributes
    ----------
    collection : Path
        It exists.
    batch_size, workers
        As of `Index.update`.
    device : str
        As of `Index.open`.
    """

    collection: Path
    batch_size: int = 64
    workers: int | None = None
    device: str = AUTO

    def follow(self, watch: Watch, *, first: Reporter, reporter: Reporter) -> Iterator[Updated]:
        """Bring the collection up to date with watched folders, now and after every change.

        After a change an update looks only where it was, if that is known for certain. If somebody
        else writes to the collection, that is waited for. An update that fails is told of, and
        tried again. A folder that is not there is left out; its pictures stay.

        Parameters
        ----------
        watch : Watch
            Of the folders.
        first, reporter : Reporter
            Of the first update, and of all others.

        Yields
        ------
        Updated
            Of every update, also one that had nothing to do. Without end.
        """
        told: list[str] = []
        changed: frozenset[str] | None = None
        trust = _Trust()
        while True:
            missing = [folder for folder in watch.folders if not folder_identity(folder)]
            there = [folder for folder in watch.folders if not _around(folder, missing)]
            troubles = [
                f"{folder} is not there; its pictures stay in the collection until it is back."
                for folder in missing
            ]
            count = 0
            for done in self._updates(there, changed, trust, first, troubles):
                count += 1
                yield done
            if troubles or count != 1:
                trust.forget()
            for trouble in dict.fromkeys(troubles):
                if trouble not in told:
                    reporter.message(trouble)
            told, first = troubles, reporter
            changed = watch.wait(RETRY if troubles else trust.left())

    def _updates(
        self,
        folders: list[str],
        changed: frozenset[str] | None,
        trust: _Trust,
        reporter: Reporter,
        troubles: list[str],
    ) -> Iterator[Updated]:
        """Updates from all folders at once, so that pictures may move between them."""
        if not folders:
            return
        try:
            done = self._update(folders, changed, trust, reporter)
        except UsageError as error:  # as of a folder that is empty now
            if len(folders) == 1:
                troubles.append(str(error))
                return
            refused: list[str] = []
            for folder in sorted(folders, key=len, reverse=True):  # what lies below others first
                if not _around(folder, refused):
                    before = len(troubles)
                    yield from self._updates([folder], None, trust, reporter, troubles)
                    refused += [folder] * (len(troubles) > before)
        except ClrSearchError as error:
            troubles.append(str(error))
        else:
            yield done

    def _update(
        self,
        folders: list[str],
        changed: frozenset[str] | None,
        trust: _Trust,
        reporter: Reporter,
    ) -> Updated:
        began = time.monotonic()

        def opened() -> Index:
            return Index.open(self.collection, writable=True, device=self.device, reporter=reporter)

        with when_free(opened, reporter) as index:
            places = trust.places(changed, index.revision)
            report = index.update(
                folders,
                reporter=reporter,
                batch_size=self.batch_size,
                workers=self.workers,
                changed=places,
            )
            done = Updated(report, index.info(), time.monotonic() - began, index.revision)
            trust.note(done, everything=places is None)
            return done


def _around(folder: str, others: Sequence[str]) -> bool:
    """Whether one of the others is this folder, or lies below it."""
    return any(below(other, folder) is not None for other in others)


def when_free(opened: Callable[[], Index], reporter: Reporter) -> Index:
    """What `opened` gives, as soon as nobody else writes to the collection."""
    waiting = False
    while True:
        try:
            return opened()
        except LockedError as error:
            if not waiting:
                reporter.message(f"Waiting: {error.what}")
            waiting = True
            time.sleep(_PAUSE)
