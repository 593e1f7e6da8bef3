"""Noticing that something changes in some folders, and where."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError, UsageError, require
from clr_search.files.find import is_image_name
from clr_search.index.catalog.paths import below, canonical, folder_identity
from clr_search.index.catalog.sqlite.database import FILE_NAME

if TYPE_CHECKING:
    from watchfiles.main import FileChange

QUIET = 1.0
"""Seconds without a change after which an update begins."""

LONGEST = 30.0
"""Seconds after which it begins although changes go on, as while a card is copied."""

MOST = 1000
"""Changed places beyond which an update looks at everything: the queue in which Linux keeps 16,384
events may have been full, which watchfiles does not tell."""

_PAUSE = 0.2  # seconds until folders are watched anew


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
        self.folders = [canonical(folder) for folder in folders]
        self._poll = poll
        self._quiet = QUIET + (poll or 0.0)
        self._changed: set[str] = set()
        self._start()
        self._lost = poll is not None  # whether `_changed` is not all

    def _start(self) -> None:
        self._seen = [folder_identity(folder) for folder in self.folders]
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

    def wait(self, most: float = math.inf) -> frozenset[str] | None:
        """Return when something has changed and nothing more is changing, or after `most` seconds.

        A folder that has gone away or come back is a change, too.

        Returns
        -------
        frozenset of str, or None
            Absolute paths of all that has happened since the last call; None where that is not
            known.
        """
        began, first, last = time.monotonic(), math.inf, math.inf
        while True:
            changed = self._look()
            now = time.monotonic()
            if changed:
                first, last = min(first, now), now
            if now - last >= self._quiet or now - first >= LONGEST or now - began >= most:
                return self._taken()

    def _taken(self) -> frozenset[str] | None:
        changed, self._changed = frozenset(self._changed), set()
        lost, self._lost = self._lost, self._poll is not None
        return None if lost else changed

    def _look(self) -> bool:
        """Whether something has changed, after at most half a quiet moment."""
        try:
            changes = next(self._events, None)
        except (OSError, RuntimeError):  # a disk that fails; a name that is no text ends it too
            changes = None
        if changes is None or [folder_identity(folder) for folder in self.folders] != self._seen:
            time.sleep(_PAUSE)
            self._start()
            self._lost = True
            return True
        self._changed.update(path for _, path in changes)
        if len(self._changed) > MOST:
            self._changed.clear()
            self._lost = True
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
