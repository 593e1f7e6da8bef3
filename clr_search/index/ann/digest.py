"""SHA-256 of large files by blocks, so that all cores share the work.

SHA-256 goes through its input in order: one core hashes a gigabyte in half a second or more while
the others wait. So a file is cut into blocks of `BLOCK` bytes, and its digest is the SHA-256 of its
size and of the SHA-256s of its blocks. Whatever is altered anywhere changes it.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.cores import usable_cores

BLOCK = 4 << 20
"""Bytes of a block: enough that handing them out costs nothing."""

Bytes = NDArray[np.uint8]


def of_bytes(data: Bytes) -> str:
    """Returns the digest of bytes, in hexadecimal digits.

    Parameters
    ----------
    data : uint8 array, shape (n,)
        The bytes.

    Examples
    --------
    >>> of_bytes(np.frombuffer(b"abc", np.uint8))[:8]
    'f787d56a'
    """
    return _digest(len(data), lambda start, length: data[start : start + length])


def of_file(file: io.BufferedReader | io.BufferedRandom) -> str:
    """Returns the digest of a file that is open for reading, in hexadecimal digits.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    read = _reading(file)
    return _digest(_size(file), lambda start, length: read(start, np.empty(length, np.uint8)))


def read_whole(file: io.BufferedReader) -> tuple[Bytes, str]:
    """Returns all bytes of a file that is open for reading, uint8 (n,), and their digest.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    read = _reading(file)
    data = np.empty(_size(file), np.uint8)
    return data, _digest(len(data), lambda start, length: read(start, data[start : start + length]))


def in_order(file: io.BufferedReader) -> str:
    """Returns the plain SHA-256 of an open file, as generations of former releases have it."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def _size(file: io.BufferedReader | io.BufferedRandom) -> int:
    """Returns the size of an open file."""
    return os.fstat(file.fileno()).st_size


def _reading(file: io.BufferedReader | io.BufferedRandom) -> Callable[[int, Bytes], Bytes]:
    """Returns what fills an array from a place of the file, in any thread."""
    lock = Lock()

    def read(start: int, into: Bytes) -> Bytes:
        """Returns `into`, or only as much of it as the file has there."""
        done = 0
        while done < len(into):
            if hasattr(os, "preadv"):
                count = os.preadv(file.fileno(), [into[done:].data], start + done)
            else:  # Windows has one place of reading for all threads
                with lock:
                    file.seek(start + done)
                    count = file.readinto(into[done:].data)
            if not count:
                break  # it has become shorter meanwhile
            done += count
        return into[:done]

    return read


def _digest(size: int, block: Callable[[int, int], Bytes]) -> str:
    """Returns the digest of what `block` gives for each start and length, on all cores."""

    def hashed(start: int) -> bytes:
        """Returns the SHA-256 of a block; hashing and reading let other threads go on."""
        part: Any = block(start, min(BLOCK, size - start))
        return hashlib.sha256(part).digest()

    total = hashlib.sha256(f"{size} ".encode())
    with ThreadPoolExecutor(usable_cores()) as pool:
        for digest in pool.map(hashed, range(0, size, BLOCK)):
            total.update(digest)
    return total.hexdigest()
