"""Keeps a collection up to date while its folders change.

The file system reports which paths have changed, and an ordinary update looks at only those. An
update looks at everything at first, once an hour, and whenever the reports may be incomplete: the
queue of the system was full, a name is no text, an update failed, another process wrote to the
collection, links lie in the folders, or the file system reports nothing. A picture that was still
being written is tried again when the rest of it has come. The writer's lock is held only during an
update.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import ClrSearchError, UsageError
from clr_search.images.isolation import DecodingLimits
from clr_search.index.catalog.lock import LockedError
from clr_search.index.catalog.paths import below, folder_identity
from clr_search.index.collection import Index
from clr_search.index.search.info import IndexInfo
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.watch import Watch
from clr_search.progress import Reporter
from clr_search.serve.devices import AUTO

RETRY = 30.0
"""Seconds after which a failed update is tried again, if no file changes before."""

FULL = 3600.0
"""Seconds after which an update looks at everything, in case that a change was not reported."""

_PAUSE = 0.2  # seconds between two tries to take the writer's lock


@dataclass(frozen=True, slots=True)
class Updated:
    """The result of one update.

    Attributes
    ----------
    report : UpdateReport
        How many pictures the update added, changed and removed, and what it skipped.
    info : IndexInfo
        The collection after the update.
    seconds : float
        Time that the update took.
    revision : int
        Revision of the collection after the update; a later one means that another process has
        written since.
    """

    report: UpdateReport
    info: IndexInfo
    seconds: float
    revision: int


class _Trust:
    """Decides whether the reports of a watch cover all changes since the last update."""

    def __init__(self) -> None:
        self._last: Updated | None = None
        # Never false again, since a folder that can be listed only later is not watched.
        self._untold = False
        self._due = -math.inf

    def note(self, update: Updated, *, everything: bool) -> None:
        """Records an update of all folders, and whether it looked at everything."""
        self._last = update
        self._untold = self._untold or update.report.untold
        if everything:
            self._due = time.monotonic() - update.seconds + FULL

    def forget(self) -> None:
        """Makes the next update look at everything."""
        self._last = None

    def remaining(self) -> float:
        """Returns the seconds until an update looks at everything anyway."""
        return max(0.0, self._due - time.monotonic())

    def paths(self, reported: frozenset[str] | None, revision: int) -> frozenset[str] | None:
        """Returns the paths to look at in a collection of this revision; None for everything."""
        last = self._last
        if reported is None or last is None or self._untold or last.revision != revision:
            return None
        if not self.remaining():
            return None
        # Files that could not be read are tried again at every update.
        return reported | {str(entry.path) for entry in last.report.skipped}


@dataclass(frozen=True, slots=True)
class Follower:
    """Keeps a collection up to date with the folders that are watched.

    Attributes
    ----------
    collection : Path
        An existing collection.
    batch_size, workers, isolation
        Passed to `Index.update`.
    device : str
        Passed to `Index.open`.
    """

    collection: Path
    batch_size: int = 64
    workers: int | None = None
    device: str = AUTO
    isolation: DecodingLimits | None = None

    def follow(self, watch: Watch, *, first: Reporter, reporter: Reporter) -> Iterator[Updated]:
        """Brings the collection up to date with watched folders, now and after every change.

        After a change an update looks only at the changed paths, if these are known for certain. It
        waits while another process writes to the collection. A failed update is reported and tried
        again. A missing folder is left out; its pictures stay.

        Parameters
        ----------
        watch : Watch
            The watch of the folders.
        first, reporter : Reporter
            The reporter of the first update, and that of all later ones.

        Yields
        ------
        Updated
            The result of each update, also of one that changed nothing. The iterator never ends.
        """
        reported: list[str] = []
        changed: frozenset[str] | None = None
        trust = _Trust()
        while True:
            missing = [folder for folder in watch.folders if not folder_identity(folder)]
            present = [folder for folder in watch.folders if not _around(folder, missing)]
            troubles = [
                f"{folder} is not there; its pictures stay in the collection until it is back."
                for folder in missing
            ]
            count = 0
            for updated in self._updates(present, changed, trust, first, troubles):
                count += 1
                yield updated
            if troubles or count != 1:
                trust.forget()
            for trouble in dict.fromkeys(troubles):
                if trouble not in reported:
                    reporter.message(trouble)
            reported, first = troubles, reporter
            changed = watch.wait(RETRY if troubles else trust.remaining())

    def _updates(
        self,
        folders: list[str],
        changed: frozenset[str] | None,
        trust: _Trust,
        reporter: Reporter,
        troubles: list[str],
    ) -> Iterator[Updated]:
        """Yields one update from all folders, so that pictures may move between them.

        Where it is refused, each folder is updated by itself; errors are added to `troubles`.
        """
        if not folders:
            return
        try:
            updated = self._update(folders, changed, trust, reporter)
        except UsageError as error:  # for example, a folder has become empty
            if len(folders) == 1:
                troubles.append(str(error))
                return
            refused: list[str] = []
            for folder in sorted(folders, key=len, reverse=True):  # inner folders first
                if not _around(folder, refused):
                    before = len(troubles)
                    yield from self._updates([folder], None, trust, reporter, troubles)
                    refused += [folder] * (len(troubles) > before)
        except ClrSearchError as error:
            troubles.append(str(error))
        else:
            yield updated

    def _update(
        self,
        folders: list[str],
        changed: frozenset[str] | None,
        trust: _Trust,
        reporter: Reporter,
    ) -> Updated:
        """Makes one update as soon as no other process writes, and records it in `trust`."""
        began = time.monotonic()

        def opened() -> Index:
            return Index.open(self.collection, writable=True, device=self.device, reporter=reporter)

        with when_free(opened, reporter) as index:
            paths = trust.paths(changed, index.revision)
            report = index.update(
                folders,
                reporter=reporter,
                batch_size=self.batch_size,
                workers=self.workers,
                isolation=self.isolation,
                changed=paths,
            )
            updated = Updated(report, index.info(), time.monotonic() - began, index.revision)
            trust.note(updated, everything=paths is None)
            return updated


def _around(folder: str, others: Sequence[str]) -> bool:
    """Returns whether one of the others is this folder, or lies below it."""
    return any(below(other, folder) is not None for other in others)


def when_free(opened: Callable[[], Index], reporter: Reporter) -> Index:
    """Returns the result of `opened`, as soon as no other process writes to the collection.

    Parameters
    ----------
    opened : callable
        Opens the collection for writing; called again while it raises `LockedError`.
    reporter : Reporter
        Gets one message if there is a wait.

    Raises
    ------
    ClrSearchError
        Any other error of `opened`.
    """
    waiting = False
    while True:
        try:
            return opened()
        except LockedError as error:
            if not waiting:
                reporter.message(f"Waiting: {error.what}")
            waiting = True
            time.sleep(_PAUSE)
