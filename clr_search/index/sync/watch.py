"""Noticing which paths change in some folders."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.errors import ClrSearchError, UsageError, require
from clr_search.files.finding.image_file import is_image_name
from clr_search.index.catalog.paths import below, canonical, folder_identity
from clr_search.index.catalog.sqlite.database import FILE_NAME

if TYPE_CHECKING:
    from watchfiles.main import FileChange

QUIET = 1.0
"""Seconds without a change after which an update begins: one for many files copied at once."""

LONGEST = 30.0
"""Seconds after which an update begins although changes go on, as while a card is copied."""

MOST = 1000
"""Number of changed paths beyond which an update looks at everything: the queue of Linux, of 16,384
events, may have overflowed, which watchfiles does not report."""

_PAUSE = 0.2  # seconds before folders are watched anew, so that an absent one takes no CPU


class Watch:
    """Notices changes below some folders from the moment it is made.

    Parameters
    ----------
    folders : sequence of path
        The folders; they may go away and come back, as those of a disk that is unmounted.
    poll : float, optional
        Seconds between looks at all files, instead of events of the system: network drives send
        no events for the changes that other machines make.

    Raises
    ------
    MissingExtraError
        If watchfiles is not installed.
    UsageError
        If a path is no folder.
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
        self._lost = poll is not None  # whether `_changed` may miss changes

    def _start(self) -> None:
        """Begins to watch the folders that exist now."""
        self._seen = [folder_identity(folder) for folder in self.folders]
        existing = [folder for folder, seen in zip(self.folders, self._seen, strict=True) if seen]
        self._events: Iterator[set[FileChange]] = self._watchfiles.watch(
            *existing,
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
            next(self._events)  # returns once all folders are being watched
        except (FileNotFoundError, RuntimeError):
            pass  # a folder went away: `_look` sees the same and starts again
        except OSError as error:
            raise ClrSearchError(
                f"The folders cannot be watched: {error}.",
                "With --poll they are looked at instead, which needs no help of the system.",
            ) from error

    def wait(self, most: float = math.inf) -> frozenset[str] | None:
        """Wait until something has changed and nothing more is changing, or for `most` seconds.

        A folder that has gone away or come back is a change, too.

        Parameters
        ----------
        most : float
            Most seconds to wait; no limit if not given.

        Returns
        -------
        frozenset of str, or None
            Absolute paths of all changes since the last call; None if changes may be missing.

        Raises
        ------
        ClrSearchError
            If the system refuses to watch the folders again after one has come back.
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
        """Returns the changes noticed since the last call, and forgets them."""
        changed, self._changed = frozenset(self._changed), set()
        incomplete, self._lost = self._lost, self._poll is not None
        return None if incomplete else changed

    def _look(self) -> bool:
        """Whether something has changed; looks for at most half of the quiet time."""
        try:
            changes = next(self._events, None)
        except (OSError, RuntimeError):  # a disk failed, or a file name is no text
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
        """Whether a change at this path may be a change of pictures."""
        relatives = [relative for folder in self.folders if (relative := below(path, folder))]
        if not relatives or any(
            parent.startswith(".") for parent in min(relatives, key=len).split("/")
        ):
            return False
        name = os.path.basename(path)  # noqa: PTH119
        if is_image_name(name) or os.path.isdir(path):  # noqa: PTH112
            return True
        # A path that is gone may have been a folder, unless it is a temporary file of SQLite.
        return not os.path.lexists(path) and not name.startswith(FILE_NAME)
