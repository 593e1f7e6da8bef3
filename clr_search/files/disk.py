"""Errors of the disk, told with the name of the file and what to do: full, failing, read-only."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clr_search.errors import ClrSearchError

FULL = "Make free space on that disk, or choose another place, and run it again."
"""What to do where a disk is full."""

READ_ONLY = "Copy it to a disk that may be written to, or choose another place."
"""What to do where a disk, or a file on it, may only be read."""

FAILING = "The disk may be failing: look at the messages of the system, and save what is on it."
"""What to do where the device itself reports an error."""

_REMEDIES = {
    errno.ENOSPC: FULL,
    errno.EFBIG: FULL,
    errno.EIO: FAILING,
    errno.EROFS: READ_ONLY,
    errno.EACCES: "Check the permissions of the file and of its folder, or choose another place.",
    errno.EPERM: "Check the permissions of the file and of its folder, or choose another place.",
}
if hasattr(errno, "EDQUOT"):  # Windows before Python 3.13 has none
    _REMEDIES[errno.EDQUOT] = "The quota is used up: delete something, or choose another disk."


class DiskError(ClrSearchError):
    """A file could not be written or read because of its disk; the message names it.

    Attributes
    ----------
    reason : str
        What the system says, such as ``"No space left on device"``.
    """

    def __init__(self, what: str, remedy: str, reason: str) -> None:
        super().__init__(what, remedy)
        self.reason = reason


def remedy_of(error: OSError) -> str:
    """Returns what to do about an error of the disk; empty where it is of another kind.

    Examples
    --------
    >>> remedy_of(OSError(errno.ENOSPC, "No space left on device")) == FULL
    True
    """
    return _REMEDIES.get(error.errno or 0, "")


@contextmanager
def told(path: Path | str, doing: str = "written") -> Iterator[None]:
    """Turns errors of the disk inside the block into a `DiskError` on `path`.

    An error that names another file already says where it happened, and passes through, as do
    errors that are no fault of a disk.

    Examples
    --------
    >>> with told("a.bin"):
    ...     raise OSError(errno.ENOSPC, "No space left on device")
    Traceback (most recent call last):
    clr_search.files.disk.DiskError: a.bin cannot be written: No space left on device. ...
    """
    try:
        yield
    except OSError as error:
        remedy = remedy_of(error)
        beside = Path(str(error.filename or path)).name
        if not remedy or Path(path).name not in beside:  # a temporary name contains the final one
            raise
        reason = error.strerror or type(error).__name__
        raise DiskError(f"{path} cannot be {doing}: {reason}.", remedy, reason) from error
