"""System calls on one name in a folder, which follow no link, wait for no pipe, and say what it is.

`own` builds on them. On POSIX a name is found relative to the descriptor of its folder. Windows
opens nothing relative to a folder: there a name is a path, which is looked at before it is opened,
and compared with what was opened afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

from clr_search.errors import ClrSearchError
from clr_search.files.disk import told

RELATIVE = os.name == "posix"
"""Whether descriptors of folders exist."""

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
# A pipe is opened at once, and then refused; a terminal does not become that of the process.
_QUIETLY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_REPLACED = (errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENXIO)  # by a link or pipe just now
_SURROGATE = 0x20000000  # bit of a reparse tag of Windows that stands for another name, as links do


class NotOursError(ClrSearchError):
    """Something in a folder of ours is no regular file, or no folder, where we keep one."""


class At(NamedTuple):
    """Where a system call finds a name: relative to a descriptor, or by its path on Windows."""

    name: str
    dir_fd: int | None


def inside(at: At, name: str) -> At:
    """Returns where system calls find a name in a folder.

    Examples
    --------
    >>> inside(At("", 3), "lock")
    At(name='lock', dir_fd=3)
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a file.")
    return At(str(Path(at.name, name)), None) if at.dir_fd is None else At(name, at.dir_fd)


def status_of(at: At) -> os.stat_result:
    """Returns the status of a name itself, of a link too; raises OSError where it is missing."""
    return os.stat(at.name, dir_fd=at.dir_fd, follow_symlinks=False)


def names_in(at: At) -> list[str]:
    """Returns the names in a folder that `open_folder` or `open_root` has opened, sorted."""
    if at.dir_fd is None:
        return sorted(os.listdir(at.name))  # noqa: PTH208
    fd = os.open(".", os.O_RDONLY | _CLOEXEC, dir_fd=at.dir_fd)  # a copy would share its position
    try:
        return sorted(os.listdir(fd))  # noqa: PTH208
    finally:
        os.close(fd)


def open_root(path: Path) -> int | None:
    """Opens a folder by its path without links, and returns its descriptor; None on Windows."""
    if not RELATIVE:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        return None
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | _CLOEXEC | _NOFOLLOW)


def open_folder(at: At, path: Path, *, make: bool) -> At:
    """Opens a folder inside another; with `make` it is made first where it is missing.

    Parameters
    ----------
    at : At
        The folder; the caller closes the descriptor of the result, if there is one.
    path : Path
        Its path, for messages.
    make : bool
        Whether to make it.

    Raises
    ------
    NotOursError
        If it is a link, or no folder.
    FileNotFoundError
        If it does not exist.
    """
    if make:
        with contextlib.suppress(FileExistsError), told(path, "made"):
            os.mkdir(at.name, dir_fd=at.dir_fd)
    status = status_of(at)
    if not stat.S_ISDIR(status.st_mode) or _is_link(status):
        raise refused(path, _kind(status), "a folder")
    if at.dir_fd is None:
        return at
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | _CLOEXEC | _NOFOLLOW
        return At("", os.open(at.name, flags, dir_fd=at.dir_fd))
    except OSError as error:
        if error.errno in _REPLACED:
            raise refused(path, "a link", "a folder") from None
        raise


def open_file(at: At, flags: int, path: Path) -> int:
    """Opens a regular file, and returns its descriptor.

    A file that is changed in place has one name only: through a second one (a hard link), a
    stranger's folder would change a file of the person who unpacked it.

    Parameters
    ----------
    at : At
        The file.
    flags : int
        Flags of `os.open`; ``O_TRUNC`` is not among them, since it acts before the file is known.
    path : Path
        Its path, for messages.

    Raises
    ------
    NotOursError
        If it is no regular file, or is to be changed and has several names.
    OSError
        If it does not exist, or may not be opened.
    """
    try:
        before = status_of(at)
        require_regular(before, path)
    except FileNotFoundError:
        before = None
    try:
        fd = os.open(
            at.name, flags | _QUIETLY | _NOFOLLOW | _CLOEXEC | _BINARY, 0o666, dir_fd=at.dir_fd
        )
    except OSError as error:
        if error.errno in _REPLACED:
            raise refused(path, "a link or a pipe", "a file") from None
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        after = os.fstat(fd)
        require_regular(after, path)
        if flags & (os.O_WRONLY | os.O_RDWR):
            require_one_name(after, path)
        if not _NOFOLLOW and before is not None and not os.path.samestat(before, after):
            raise refused(path, "being replaced", "a file")
    except BaseException:
        os.close(fd)
        raise
    return fd


def require_regular(status: os.stat_result, path: Path) -> None:
    """Raises `NotOursError` for everything but a regular file."""
    if not stat.S_ISREG(status.st_mode) or _is_link(status):
        raise refused(path, _kind(status), "a file")


def require_one_name(status: os.stat_result, path: Path) -> None:
    """Raises `NotOursError` for a file that has several names (hard links)."""
    if status.st_nlink > 1:
        raise NotOursError(
            f"{path} has a second name elsewhere (a hard link), through which a change of it would "
            "change that, too.",
            f"Copy the folder as files of its own (cp -r), or delete {path.name} if it is foreign.",
        )


def refused(path: Path, is_now: str, expected: str) -> NotOursError:
    """Returns the error for something that is not what we keep under its name."""
    return NotOursError(
        f"{path} is {is_now}, where clr-search keeps {expected}; nothing was read or changed "
        "through it.",
        f"Find out where it comes from. Delete {path.name}, or put {expected} in its place.",
    )


def _is_link(status: os.stat_result) -> bool:
    """Returns whether a status, which was taken without following links, is that of a link."""
    tag = getattr(status, "st_reparse_tag", 0)  # a junction of Windows is a folder to S_ISLNK
    return stat.S_ISLNK(status.st_mode) or bool(tag & _SURROGATE)


def _kind(status: os.stat_result) -> str:
    """Returns what a status is of, for a message."""
    if _is_link(status):
        return "a link"
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(status.st_mode), "a device")
