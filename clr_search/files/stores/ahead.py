"""`ReadAhead`: objects are asked for before they are needed, since a store takes time to answer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clr_search.files.stores.address import ObjectPath

if TYPE_CHECKING:
    from clr_search.files.stores.reading import Begun

AT_ONCE = 16
"""Objects that are read at the same time."""

MOST_BYTES = 2**28
"""Bytes of large objects that are read whole ahead; of others only the first `reading.FIRST`."""


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What was read of an object ahead of time; `held` bytes of it count against the bound."""

    begun: Begun
    data: bytes | None
    held: int


class ReadAhead:
    """Reads objects in threads of its own, in the order in which they are expected.

    What is held of objects that wait is bounded: the first `reading.FIRST` bytes of each that is
    expected, and the rest of large ones as long as these are below `MOST_BYTES`. The rest of
    further ones is read when they are taken.

    Parameters
    ----------
    most : int
        The most bytes that an object may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: dict[Path, Future[_Fetched]] = {}
        self._held = 0
        self._lock = threading.Lock()

    def expect(self, paths: Iterable[Path]) -> None:
        """Begin to read the objects among these paths; other files are read when they are taken."""
        for path in paths:
            if isinstance(path, ObjectPath) and path not in self._waiting:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(AT_ONCE, "clr-object")
                self._waiting[path] = self._pool.submit(self._fetch, path)

    def read(self, path: ObjectPath) -> tuple[bytes, os.stat_result]:
        """Return the bytes of an object, with its size and time.

        Raises
        ------
        OSError, ImageError
            As `reading.read`.
        """
        from clr_search.files.stores import reading

        expected = self._waiting.pop(path, None)
        if expected is None:
            return reading.read(path, self._most)
        fetched = expected.result()
        try:
            data = reading.finish(fetched.begun) if fetched.data is None else fetched.data
        finally:
            with self._lock:
                self._held -= fetched.held
        return data, fetched.begun.status

    def _fetch(self, path: ObjectPath) -> _Fetched:
        """Read the first bytes of an object, and the rest if there is room for it."""
        from clr_search.files.stores import reading

        begun = reading.begin(path, self._most)
        with self._lock:
            fits = self._held + begun.rest <= MOST_BYTES
            held = begun.rest if fits else 0
            self._held += held
        try:
            return _Fetched(begun, reading.finish(begun) if fits else None, held)
        except BaseException:
            with self._lock:
                self._held -= held
            raise

    def close(self) -> None:
        """End the threads; what was read and not taken is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._waiting.clear()
