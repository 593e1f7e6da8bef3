"""The folder in which the browser application stores uploads, with a bound on its size."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clr_search.web.problems import busy

MOST_BYTES = 512 * 2**20
"""Largest total of the files in the folder."""

KEPT = 60.0
"""Seconds for which an upload is kept where room is needed; it is read at once."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file in the folder: its path, its size in bytes, and when it was written."""

    path: str
    size: int
    written: float


class Uploads:
    """A folder of uploads, to which one upload at a time is written.

    Parameters
    ----------
    folder : Path
        The folder; it holds files that are being written, and a folder for each upload.
    most_bytes : int
        Largest total of the files in it.
    """

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most = folder, most_bytes
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def room_for(self, count: int) -> AsyncIterator[None]:
        """Make room for `count` bytes, and remove at the end what was not written whole.

        Gradio writes a file into the folder itself, and moves it into a folder of its own once the
        form with it has ended as it should. What is left over is of a form that did not.

        Raises
        ------
        Problem
            If the folder holds too much already, none of it old (503).
        """
        async with self._lock:
            before = await asyncio.to_thread(self._make_room, count)
            try:
                yield
            finally:
                await asyncio.to_thread(self._remove_others, before)

    def _make_room(self, count: int) -> frozenset[str]:
        """Remove old uploads where room is needed; return the names in the folder itself."""
        stored = sorted(_files(self._folder), key=lambda file: file.written)
        total = count + sum(file.size for file in stored)
        for file in stored:
            if total <= self._most:
                break
            if file.written < time.time() - KEPT:
                with suppress(OSError):
                    os.unlink(file.path)  # noqa: PTH108 -- it is a string, as scandir gives it
                    total -= file.size
        if total > self._most:
            raise busy("Too many uploads are waiting.")
        return frozenset(entry.name for entry in os.scandir(self._folder))

    def _remove_others(self, known: frozenset[str]) -> None:
        """Remove the files in the folder itself that are not among the `known` names."""
        for entry in os.scandir(self._folder):
            if entry.name not in known and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    os.unlink(entry.path)  # noqa: PTH108


def _files(folder: Path) -> list[_Stored]:
    """Return the files in the folders of a folder."""
    found = []
    for path, _, names in os.walk(folder):
        for name in names if path != str(folder) else ():
            with suppress(OSError):
                status = os.stat(f"{path}/{name}")  # noqa: PTH116
                found.append(_Stored(f"{path}/{name}", status.st_size, status.st_mtime))
    return found
