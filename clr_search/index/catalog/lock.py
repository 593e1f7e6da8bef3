"""`WriterLock`: one writer for each collection, by a lock that ends with its process, even killed.

The lock file itself stays: removing it would let a second writer lock a new file of the same name
while the first still holds the old one. Its text only tells the second writer who holds it.
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

_FAR = 2**30  # offset of the locked byte, behind the text: Windows forbids reading that byte


class LockedError(UsageError):
    """The error for a collection that another process, or another object, is writing to."""


class WriterLock:
    """The exclusive right to write to a collection, held from creation to `release`.

    Parameters
    ----------
    path : Path
        The lock file, created where it is missing.

    Raises
    ------
    LockedError
        If another lock on the file is held, in this process or another one.
    ClrSearchError
        If the folder may not be written to, or its file system has no locks.

    Examples
    --------
    >>> lock = WriterLock(Path("lock"))
    >>> WriterLock(Path("lock"))
    Traceback (most recent call last):
    clr_search.index.catalog.lock.LockedError: ...
    >>> lock.release()
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
        except (BlockingIOError, PermissionError):  # Windows raises the second
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
        # On a full disk the text is left out, since removing pictures must still be possible.
        with contextlib.suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text.encode())

    def release(self) -> None:
        """Gives the right back, so that others may write."""
        self._file.close()


def _open(path: Path) -> FileIO:
    """Opens the lock file without truncating it: the holder's text must survive a second writer."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)


def _lock(file: FileIO) -> None:
    """Locks the file, or raises at once where it is locked."""
    if sys.platform == "win32":
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(file: FileIO) -> str:
    """Returns the text that the holder has written, for a message."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        file.seek(0)
        return file.read(200).decode().strip() or "another process"
    return "another process"
