"""Writing files atomically, so that no reader sees half a file and a power cut loses none."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from clr_search.errors import UsageError
from clr_search.files.disk import told

_LONGEST = 255
"""Most bytes of a name on the file systems in use."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`, which replaces it only if the block succeeds.

    The block writes a file at the temporary path. After the block, the file is fsynced and renamed
    over `target`, and the folder is fsynced: a reader sees the whole old file or the whole new one.
    If the block raises, the temporary file is removed and `target` is untouched.

    Examples
    --------
    >>> with atomic_path(Path("a.txt")) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> Path("a.txt").read_text()
    'whole'
    """
    target = Path(target)
    with told(target.parent, "made"):
        target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{_before_its_name(target)}.tmp")
    try:
        with told(target):
            yield temporary
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def _before_its_name(target: Path) -> str:
    """Returns a hidden name for a file until it has its own, which may be the longest possible."""
    token = secrets.token_hex(4)
    fits = len(os.fsencode(target.name)) <= _LONGEST - len(f"..{token}.tmp")
    return f".{target.name}.{token}" if fits else f".{token}"


def write_atomically(target: Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `target`, whole or not at all; folders are made as needed.

    Examples
    --------
    >>> write_atomically(Path("b.txt"), "whole")
    >>> Path("b.txt").read_text()
    'whole'
    """
    with atomic_path(target) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def reserve(file: IO[bytes], size: int, folder: Path) -> None:
    """Give a file `size` bytes of reserved disk space, so that it can be mapped into memory.

    Writing to a page of a mapped file kills the process (SIGBUS) if the disk is full. If the system
    or the file system cannot reserve space, the free space of `folder`, in which the file lies, is
    compared with `size` instead.

    Raises
    ------
    OSError
        If the disk has too little space.

    Examples
    --------
    >>> with open("vectors.bin", "wb") as file:
    ...     reserve(file, 4096, Path())
    >>> Path("vectors.bin").stat().st_size
    4096
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    file.truncate(size)


@contextmanager
def atomic_folder(target: Path, *, keep: Path | None = None) -> Iterator[Path]:
    """Yield a new folder beside `target`, which replaces it only if the block succeeds.

    The block fills the temporary folder. An existing folder is then moved aside, and deleted once
    the new one has its name. A process that is killed between these two renames leaves the old
    folder as ``.NAME.….old``. If the block raises, `target` is untouched. The next call removes
    the folders that killed calls have left.

    Parameters
    ----------
    target : Path
        The folder to write.
    keep : Path, optional
        A name, not taken yet, under which the existing folder stays, instead of being deleted.

    Raises
    ------
    DiskError
        If the disk is full, read-only or failing.
    OSError
        If the folder cannot be renamed, as when `target` is the root of another disk.

    Examples
    --------
    >>> with atomic_folder(Path("site")) as temporary:
    ...     _ = (temporary / "index.html").write_text("<p>whole</p>")
    >>> [path.name for path in Path("site").iterdir()]
    ['index.html']
    """
    target = Path(target).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    name = _before_its_name(target)
    temporary, old = target.with_name(f"{name}.tmp"), keep or target.with_name(f"{name}.old")
    _remove_leftovers(target)
    temporary.mkdir()
    try:
        with told(target):  # a full disk does not say which file did not fit
            yield temporary
        if os.name == "posix":
            os.sync()  # one call is faster than an fsync of each of thousands of small files
        if target.exists():
            target.rename(old)
        try:
            temporary.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if keep is None:
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(target.parent)


def _remove_leftovers(target: Path) -> None:
    """Removes folders that killed calls of `atomic_folder` left; an old one if `target` exists."""
    ending = "tmp|old" if target.exists() else "tmp"
    leftover = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.({ending})")
    for folder in target.parent.iterdir():
        if leftover.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush to disk which names a folder has, after files in it were renamed, made or deleted."""
    if os.name != "posix":  # Windows has no handle for a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_existing(target: Path, *, force: bool) -> None:
    """Refuse to overwrite an output unless `force` is set.

    Raises
    ------
    UsageError
        If `target` exists, is not an empty folder, and `force` is False.

    Examples
    --------
    >>> refuse_existing(Path("new.onnx"), force=False)
    """
    if force or not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    raise UsageError(
        f"{target} exists already.", "Choose another name, or overwrite it with --force."
    )


def sha256_file(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of the content of a file; raises OSError as `open` does.

    Examples
    --------
    >>> write_atomically(Path("c.txt"), "abc")
    >>> sha256_file(Path("c.txt"))[:8]
    'ba7816bf'
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Returns the hexadecimal SHA-256 of bytes.

    Examples
    --------
    >>> sha256_bytes(b"abc")[:8]
    'ba7816bf'
    """
    return hashlib.sha256(data).hexdigest()
