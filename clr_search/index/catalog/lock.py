"""`WriterLock`: one writer for each collection, by a lock that ends with its process, even killed.

The lock file itself stays: removing it would let a second writer lock a new file of the same name
while the first still holds the old one. Its text only tells the second writer who holds it.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from io import RawIOBase
from pathlib import Path
from typing import Protocol

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.exclusive import lock
from clr_search.files.own import OwnFile


class LockedError(UsageError):
    """The error for a collection that another process, or another object, is writing to."""


class Held(Protocol):
    """The right to write to a collection, until it is released."""

    def release(self) -> None:
        """Gives the right back, so that others may write."""


class WriterLock:
    """The exclusive right to write to a collection, held from creation to `release`.

    Parameters
    ----------
    path : OwnFile or Path
        The lock file, created where it is missing.

    Raises
    ------
    LockedError
        If another lock on the file is held, in this process or another one.
    DiskError
        If the folder may not be written to.
    ClrSearchError
        If its file system has no locks.
    NotOursError
        If the file is a link, no regular file, or has a second name.

    Examples
    --------
    >>> lock = WriterLock(Path("lock"))
    >>> WriterLock(Path("lock"))
    Traceback (most recent call last):
    clr_search.index.catalog.lock.LockedError: ...
    >>> lock.release()
    """

    def __init__(self, path: OwnFile | Path) -> None:
        file = OwnFile.at(path)
        path = file.path
        # It is not truncated: the text of the holder must survive a second writer. It is not
        # buffered, so that closing it never fails on a full disk.
        self._file = file.change(os.O_CREAT).detach()
        try:
            lock(self._file)
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


def _holder(file: RawIOBase) -> str:
    """Returns the text that the holder has written, for a message."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        file.seek(0)
        return (file.read(200) or b"").decode().strip() or "another process"
    return "another process"
