"""Reading objects by ranges: small ones in one request, large ones in parts at the same time.

An object that is replaced while it is read is told by its ETag, which every part has to have. So is
one that was replaced since it was indexed: stores tell times by the second only, so that the time
of an object here has the fraction of a second that its ETag gives (`_time`).
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from clr_search.errors import ImageError
from clr_search.files.stores.address import ObjectPath
from clr_search.files.stores.failures import failure_of, is_unsure
from clr_search.files.stores.opening import store_of

if TYPE_CHECKING:
    from obstore import ObjectMeta

FIRST = 2**20
"""Bytes that the first request asks for: most pictures are read by it alone."""

PART = 2**23
"""Bytes of each further part of a large object."""

_AT_ONCE = 4  # parts of one object
_TRIES = 3  # of a part whose connection breaks while its bytes come
_SECOND = 10**9
_REPEATED = re.compile(r"after [1-9]\d* retries")

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Begun:
    """An object of which the first bytes were read.

    Attributes
    ----------
    path : ObjectPath
        Its address.
    status : stat_result
        Size and time of the object that the bytes are of.
    e_tag : str or None
        What the store calls this content of it.
    data : bytes
        Its first bytes, at most `FIRST`.
    """

    path: ObjectPath
    status: os.stat_result
    e_tag: str | None
    data: bytes

    @property
    def rest(self) -> int:
        """Number of bytes that are not read yet."""
        return self.status.st_size - len(self.data)


def status_of(address: str, meta: ObjectMeta) -> os.stat_result:
    """Return what a store tells of an object as the status of a file.

    Its number (inode) is made of its address, so that two objects are never taken for two names of
    one file; it has no time of change (ctime), since no program can set the time of an object.
    """
    seconds = int(meta["last_modified"].timestamp())
    time_ns = seconds * _SECOND + _fraction(meta["e_tag"])
    number = int.from_bytes(sha256(address.encode("utf-8", "surrogatepass")).digest()[:7], "big")
    plain = (stat.S_IFREG | 0o444, number, -1, 1, 0, 0, meta["size"], seconds, seconds, 0)
    return os.stat_result(plain, {"st_mtime_ns": time_ns, "st_ctime_ns": 0, "st_atime_ns": 0})


def _fraction(e_tag: str | None) -> int:
    """Return nanoseconds below one second that differ where ETags do, but for one in 10⁹.

    Some stores quote the ETag in one answer and not in another.

    Examples
    --------
    >>> _fraction('"5d41402a"') == _fraction("5d41402a"), _fraction(None)
    (True, 0)
    """
    if e_tag is None:
        return 0
    digest = sha256(e_tag.removeprefix("W/").strip('"').encode()).digest()
    return int.from_bytes(digest[:8], "big") % _SECOND


def status(path: ObjectPath) -> os.stat_result:
    """Return size and time of an object.

    Raises
    ------
    FileNotFoundError, PermissionError, StoreError
        If it does not exist, may not be looked at, or the store does not answer.
    """
    return status_of(str(path), _head(path))


def begin(path: ObjectPath, most: int) -> Begun:
    """Read the first bytes of an object, and its size and time.

    Raises
    ------
    OSError
        As `status`.
    ImageError
        If it has more than `most` bytes; no more than the first were then read.
    """
    try:
        data, meta = _part(path, 0, FIRST, None)
    except _EmptyError:
        return Begun(path, status(path), None, b"")
    begun = Begun(path, status_of(str(path), meta), meta["e_tag"], data)
    if begun.status.st_size > most:
        raise ImageError(f"{begun.status.st_size:,} bytes are more than the limit of {most:,}")
    return begun


def finish(begun: Begun) -> bytes:
    """Return the whole object: its further parts are read, some at the same time.

    Raises
    ------
    OSError
        As `status`, and where it was changed or cut since its first bytes were read.
    """
    if not begun.rest:
        return begun.data
    size = begun.status.st_size
    starts = range(len(begun.data), size, PART)

    def part(start: int) -> bytes:
        return _part(begun.path, start, min(start + PART, size), begun.e_tag)[0]

    with ThreadPoolExecutor(min(_AT_ONCE, len(starts)), "clr-object") as pool:
        whole = b"".join([begun.data, *pool.map(part, starts)])
    if len(whole) != size:
        raise OSError(errno.EIO, "it was changed while it was read", str(begun.path))
    return whole


def read(path: ObjectPath, most: int) -> tuple[bytes, os.stat_result]:
    """Return the bytes of an object, with its size and time; see `begin`, which raises the same."""
    begun = begin(path, most)
    return finish(begun), begun.status


class ObjectFile(io.RawIOBase):
    """An object as a file that is read and sought in; each read is a request.

    Parameters
    ----------
    path : ObjectPath
        Its address.

    Raises
    ------
    OSError
        As `status`.
    """

    def __init__(self, path: ObjectPath) -> None:
        super().__init__()
        meta = _head(path)
        self._path, self._size, self._e_tag = path, meta["size"], meta["e_tag"]
        self._at = 0

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be sought in."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Say where the next byte is read, which may lie behind the end."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{base + offset} lies before the first byte")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the object goes; returns the number of bytes."""
        end = min(self._at + min(len(buffer), PART), self._size)
        if end <= self._at:
            return 0
        data, _ = _part(self._path, self._at, end, self._e_tag)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        """Return all bytes from here on, in as few requests as possible."""
        parts = []
        while self._at < self._size:
            buffer = bytearray(min(PART, self._size - self._at))
            parts.append(bytes(buffer[: self.readinto(buffer)]))
        return b"".join(parts)


class _EmptyError(Exception):
    """An object has no bytes, so that no range of it can be asked for."""


def _head(path: ObjectPath) -> ObjectMeta:
    """Return what the store tells of an object."""
    store = store_of(path)  # before the import, so that it is told what is not installed
    import obstore

    return _asked(path, lambda: obstore.head(store, path.key))


def _part(path: ObjectPath, start: int, end: int, e_tag: str | None) -> tuple[bytes, ObjectMeta]:
    """Return some bytes of an object, and what the store tells of it."""
    store = store_of(path)
    import obstore

    options: Any = {"range": (start, end)} | ({"if_match": e_tag} if e_tag else {})

    def ask() -> tuple[bytes, ObjectMeta]:
        answer = obstore.get(store, path.key, options=options)
        meta = answer.meta  # before its bytes, with which the answer ends
        return bytes(answer.bytes()), meta

    return _asked(path, ask, _TRIES)


def _asked(path: ObjectPath, ask: Callable[[], _Result], tries: int = 1) -> _Result:
    """Return what a request returns, or raise its failure as an error of the system.

    The client library repeats requests itself, but not for bytes that break off.
    """
    from obstore.exceptions import BaseError

    for left in reversed(range(tries)):
        try:
            return ask()
        except (BaseError, FileNotFoundError, PermissionError, ValueError) as error:
            if "status code: 416" in str(error):
                raise _EmptyError from None
            unsure = is_unsure(error)
            if unsure and left and not _REPEATED.search(str(error)):
                continue
            if unsure and _answers(path):
                why = "the store does not give it, though it answers"
                raise OSError(errno.EIO, why, str(path)) from None
            raise failure_of(error, path) from None
    raise AssertionError


def _answers(path: ObjectPath) -> bool:
    """Whether the store gives a part of the list of its bucket."""
    from clr_search.files.stores.listing import is_prefix

    try:
        is_prefix(ObjectPath(f"{path.scheme}://{path.bucket}"))
    except OSError:
        return False
    return True
