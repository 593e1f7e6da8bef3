"""Keeping a collection up to date while its folders change.

The file system only says that something has happened; what it was, an ordinary update finds out. So
nothing is lost when it says too little (a folder moved in, a name that is no text) or too much, and
a picture that was still being written is tried again when the rest of it has come. The writer's
lock is held during an update only.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError, UsageError, require
from clr_search.files import is_image_name
from clr_search.index.database import FILE_NAME
from clr_search.index.lock import LockedError
from clr_search.index.places import below, identity, place
from clr_search.index.records import IndexInfo, UpdateReport
from clr_search.index.store import Index
from clr_search.progress import Reporter
from clr_search.serve.devices import AUTO

if TYPE_CHECKING:
    from watchfiles.main import FileChange

QUIET = 1.0
"""Seconds without a change after which an update begins."""

LONGEST = 30.0
"""Seconds after which it begins although changes go on, as while a card is copied."""

RETRY = 30.0
"""Seconds until an update that failed is tried again, where nothing changes before."""

_PAUSE = 0.2  # seconds between two looks at a lock


class Watch:
    """Notices changes below some folders, from its making on.

    Parameters
    ----------
    folders : sequence of path
        They may go away and come back, as a disk does that is unmounted.
    poll : float, optional
        Look at all files every so many seconds, and do not wait to be told: network drives tell
        nothing of what other machines do.

    Raises
    ------
    MissingExtraError
        If watchfiles is not installed.
    UsageError
        If one of the paths is no folder.
    ClrSearchError
        If the system refuses to watch so many folders.
    """

    def __init__(self, folders: Sequence[Path | str], *, poll: float | None = None) -> None:
        for folder in folders:
            if not Path(folder).is_dir():
                raise UsageError(
                    f"{folder} is no folder, and only folders can be watched.",
                    "Give the folder that it lies in.",
                )
        self._watchfiles = require("watchfiles", "watch")
        self.folders = [place(folder) for folder in folders]
        self._poll = poll
        self._quiet = QUIET + (poll or 0.0)
        self._start()

    def _start(self) -> None:
        self._seen = [identity(folder) for folder in self.folders]
        there = [folder for folder, seen in zip(self.folders, self._seen, strict=True) if seen]
        self._events: Iterator[set[FileChange]] = self._watchfiles.watch(
            *there,
            watch_filter=None,
            debounce=round(500 * self._quiet),
            step=50,
            rust_timeout=round(500 * self._quiet),
            yield_on_timeout=True,
            force_polling=None if self._poll is None else True,
            poll_delay_ms=round(1000 * (self._poll or 0.3)),
            ignore_permission_denied=True,
        )
        try:
            next(self._events)  # comes back when all folders are being watched
        except (FileNotFoundError, RuntimeError):
            pass  # gone since, or as in `_look`, which then begins again
        except OSError as error:
            raise ClrSearchError(
                f"The folders cannot be watched: {error}.",
                "With --poll they are looked at instead, which needs no help of the system.",
            ) from error

    def wait(self, most: float = math.inf) -> None:
        """Return when something has changed and nothing more is changing, or after `most` seconds.

        A folder that has gone away or come back is a change, too.
        """
        began, first, last = time.monotonic(), math.inf, math.inf
        while True:
            changed = self._look()
            now = time.monotonic()
            if changed:
                first, last = min(first, now), now
            if now - last >= self._quiet or now - first >= LONGEST or now - began >= most:
                return

    def _look(self) -> bool:
        """Whether something has changed, after at most half a quiet moment."""
        try:
            changes = next(self._events, None)
        except (OSError, RuntimeError):  # a disk that fails; a name that is no text ends it too
            changes = None
        if changes is None or [identity(folder) for folder in self.folders] != self._seen:
            time.sleep(_PAUSE)
            self._start()
            return True
        return any(self._counts(path) for _, path in changes)

    def _counts(self, path: str) -> bool:
        """Whether a change at this path may be one of pictures."""
        ways = [way for folder in self.folders if (way := below(path, folder))]
        if not ways or any(part.startswith(".") for part in min(ways, key=len).split("/")):
            return False
        name = os.path.basename(path)  # noqa: PTH119
        if is_image_name(name) or os.path.isdir(path):  # noqa: PTH112
            return True
        # What is gone may have been a folder; the files that SQLite leaves and takes are none.
        return not os.path.lexists(path) and not name.startswith(FILE_NAME)


@dataclass(frozen=True, slots=True)
class Updated:
    """An update that was made, the collection after it, and the seconds it took."""

    report: UpdateReport
    info: IndexInfo
    seconds: float


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who keeps a collection up to date.

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

    def keep_up(self, watch: Watch, *, first: Reporter, reporter: Reporter) -> Iterator[Updated]:
        """Bring the collection up to date with watched folders, now and after every change.

        If somebody else writes to it, that is waited for. An update that fails is told of, and
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
        while True:
            missing = [folder for folder in watch.folders if not identity(folder)]
            there = [folder for folder in watch.folders if not _around(folder, missing)]
            troubles = [
                f"{folder} is not there; its pictures stay in the collection until it is back."
                for folder in missing
            ]
            yield from self._updates(there, first, troubles)
            for trouble in dict.fromkeys(troubles):
                if trouble not in told:
                    reporter.message(trouble)
            told, first = troubles, reporter
            watch.wait(RETRY if troubles else math.inf)

    def _updates(
        self, folders: list[str], reporter: Reporter, troubles: list[str]
    ) -> Iterator[Updated]:
        """Of all folders together, so that pictures may move between them; or else one by one."""
        if not folders:
            return
        try:
            done = self._update(folders, reporter)
        except UsageError as error:  # as of a folder that is empty now
            if len(folders) == 1:
                troubles.append(str(error))
                return
            refused: list[str] = []
            for folder in sorted(folders, key=len, reverse=True):  # what lies below others first
                if not _around(folder, refused):
                    before = len(troubles)
                    yield from self._updates([folder], reporter, troubles)
                    refused += [folder] * (len(troubles) > before)
        except ClrSearchError as error:
            troubles.append(str(error))
        else:
            yield done

    def _update(self, folders: list[str], reporter: Reporter) -> Updated:
        began = time.monotonic()

        def opened() -> Index:
            return Index.open(self.collection, writable=True, device=self.device, reporter=reporter)

        with when_free(opened, reporter) as index:
            report = index.update(
                folders, reporter=reporter, batch_size=self.batch_size, workers=self.workers
            )
            return Updated(report, index.info(), time.monotonic() - began)


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
