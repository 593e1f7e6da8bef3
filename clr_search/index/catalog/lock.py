"""One writer a collection: an operating-system lock that vanishes with its process, kill -9 or not.

The lock file itself stays: removing it would let a second writer lock a new file of the same name
while the first still holds the old one. What it contains is only for the message to the second.
"""

from __future__ import annotations

import contextlib
import os
import sys
from datetime import datetime
from io import FileIO
from pathlib import Path

from clr_search.errors import ClrSearchError, UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_FAR = 2**30  # Windows forbids reading the locked byte, so it lies far behind the text


class LockedError(UsageError):
    """Somebody else writes to the collection."""


class WriterLock:
    """Exclusive right to write to a collection, held from creation to `release`.

    Parameters
    ----------
    path : Path
        The lock file, created where it is missing.

    Raises
    ------
    LockedError
        If another holds it, in this process or another.
    ClrSearchError
        If the folder may not be written, or its file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = _open(path)
        except OSError as error:
            raise ClrSearchError(
                f"{path.parent} cannot be written to: {error.strerror}.",
                "Check its permissions, or copy the collection to where you may write.",
            ) from error
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError):  # the second on Windows
            holder = _holder(self._file)
            self._file.close()
            raise LockedError(
                f"{path.parent} is being written to by {holder}.",
                "Wait until it is done, or stop it; searching works meanwhile.",
            ) from None
        except OSError as error:
            self._file.close()
            raise ClrSearchError(
                f"{path.parent} cannot be locked against a second writer: {error.strerror}.",
                "Keep the collection on a file system that has locks, such as a local disk.",
            ) from error
        text = f"process {os.getpid()} since {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}\n"
        with contextlib.suppress(OSError):  # a full disk: removing pictures must still be possible
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text.encode())

    def release(self) -> None:
        """Let others write."""
        self._file.close()


def _open(path: Path) -> FileIO:
    # Neither truncated nor exclusive: the holder's text must survive a second writer's opening.
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)


def _lock(file: FileIO) -> None:
    if sys.platform == "win32":
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(file: FileIO) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        file.seek(0)
        return file.read(200).decode().strip() or "another process"
    return "another process"
