"""Locks on files that end with their process, even killed."""

from __future__ import annotations

import os
import sys
from io import RawIOBase
from types import TracebackType
from typing import Self

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFile

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


_FAR = 2**30  # offset of the locked byte, behind any text: Windows forbids reading that byte


def lock(file: RawIOBase) -> None:
    """Lock an open file until it is closed.

    Raises
    ------
    BlockingIOError, PermissionError
        If it is locked already, by this process or another one; Windows raises the second.
    OSError
        If its file system has no locks.
    """
    if sys.platform == "win32":
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


class Exclusive:
    """A context that holds the lock on a file, if no other process or object holds it.

    Whoever finds it held goes elsewhere. The file has no content; whoever deletes it while holding
    the lock must have left something behind by which others see, once they hold the lock
    themselves, that the work is done.

    Parameters
    ----------
    file : OwnFile
        The file to lock, made where it is missing.

    Attributes
    ----------
    held : bool
        Whether the lock is held, within the context.

    Raises
    ------
    ClrSearchError
        If the file system has no locks, or the folder may not be written to.

    Examples
    --------
    >>> from pathlib import Path
    >>> file = OwnFile.at(Path("cell.lock"))
    >>> with Exclusive(file) as first, Exclusive(file) as second:
    ...     first.held, second.held
    (True, False)
    """

    def __init__(self, file: OwnFile) -> None:
        self.held = False
        self._file = file

    def __enter__(self) -> Self:
        self._handle = self._file.change(os.O_CREAT).detach()
        try:
            lock(self._handle)
            self.held = True
        except (BlockingIOError, PermissionError):  # Windows raises the second
            self.held = False
        except OSError as error:
            self._handle.close()
            raise ClrSearchError(
                f"{self._file} cannot be locked: {error.strerror}.",
                "Keep the folder on a file system that has locks, such as a local disk.",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.held = False
        self._handle.close()
