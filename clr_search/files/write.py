"""Writing so that no reader ever sees half a file, and nothing is lost when the power fails."""

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

from clr_search.errors import UsageError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Write to a temporary file beside `target`, which takes its place only when all went well.

    Yields the temporary path. On leaving, the file is fsynced, renamed over `target`, and its
    folder fsynced: a reader sees the old file or the new one, whole. On an exception the temporary
    file is removed and `target` is untouched.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_atomically(target: Path, data: bytes | str) -> None:
    """Write `data` (text as UTF-8) to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def reserve(target: Path, size: int) -> None:
    """Make a file of `size` bytes that has its room on the disk already, to be mapped.

    A page of a mapped file that finds no room when it is written kills the process (SIGBUS). Where
    the system or the file system cannot reserve room, what is free is looked at.

    Raises
    ------
    OSError
        If there is too little.
    """
    with target.open("wb") as handle:
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(handle.fileno(), 0, size)
                return
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                    raise
        if shutil.disk_usage(target.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        handle.truncate(size)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Fill a new folder beside `target`, which takes its place only when all went well.

    Yields the temporary folder. A folder that was there is moved aside first, and deleted when the
    new one has its name; one moment lies between these two renamings, and whoever is killed in it
    has the old folder beside, as ``.NAME.….old``. On an exception `target` is untouched. What
    killed calls have left is removed by the next one.

    Raises
    ------
    OSError
        If it cannot be written, or renamed, as where `target` is another disk's root.
    """
    target = Path(target).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    name = f".{target.name}.{secrets.token_hex(4)}"
    temporary, old = target.with_name(f"{name}.tmp"), target.with_name(f"{name}.old")
    _remove_leftovers(target)
    temporary.mkdir()
    try:
        yield temporary
        if os.name == "posix":
            os.sync()  # one call for thousands of small files
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
    shutil.rmtree(old, ignore_errors=True)
    sync_folder(target.parent)


def _remove_leftovers(target: Path) -> None:
    """Folders of calls of `atomic_folder` that were killed; the old one only beside a new one."""
    ending = "tmp|old" if target.exists() else "tmp"
    ours = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.({ending})")
    for folder in target.parent.iterdir():
        if ours.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Have the disk keep what was renamed, made or deleted in a folder."""
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
    """
    if force or not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    raise UsageError(
        f"{target} exists already.", "Choose another name, or overwrite it with --force."
    )


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()
