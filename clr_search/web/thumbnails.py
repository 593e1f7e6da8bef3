"""Small pictures, made in memory: nothing of the collection is served as a file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ImageError
from clr_search.pictures.inline import data_uri, jpeg, shrunk

TILE = 320
"""Side of a tile in pixels: 160 on the page, twice that on a dense screen."""

MOST_BYTES = 2**25
"""Of small pictures kept in memory: some 1,600 tiles of 20 kB, or 200 pictures of 1,024 pixels."""

_Drawn = TypeVar("_Drawn", bound=Sized)


def tile(pixels: NDArray[np.uint8], side: int = TILE) -> str:
    """The central square, which is what the encoder sees, as a `data:` address; never enlarged."""
    return data_uri(images.square(pixels, min(side, *pixels.shape[:2])))


def small_jpeg(pixels: NDArray[np.uint8], side: int) -> bytes:
    """The whole picture as a JPEG without metadata, no side longer than `side`; never enlarged."""
    return jpeg(shrunk(pixels, side))


class Thumbnails(Generic[_Drawn]):
    """What is drawn of files, the most recently used kept in memory; safe to use from many threads.

    Parameters
    ----------
    draw : callable
        Makes the small picture, as bytes or ASCII, of upright RGB pixels, uint8 (h, w, 3), and a
        side in pixels.
    most_bytes : int
        Of all small pictures kept together.
    """

    def __init__(
        self, draw: Callable[[NDArray[np.uint8], int], _Drawn], *, most_bytes: int = MOST_BYTES
    ) -> None:
        self._draw = draw
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[Path, int, int, int], _Drawn] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path, side: int) -> _Drawn:
        """The small picture of a file, drawn anew where the file has been replaced.

        Raises
        ------
        OSError, ImageError
            If the file cannot be read now.
        """
        status = path.stat()
        key = (path, side, status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = self._draw(images.load(path, at_least=side).pixels, side)
        with self._lock:
            if key in self._kept:  # another thread was quicker
                return self._kept[key]
            self._kept[key] = made
            self._bytes += len(made)
            while self._bytes > self._most_bytes:
                _, forgotten = self._kept.popitem(last=False)
                self._bytes -= len(forgotten)
        return made


class Tiles:
    """Tiles of files for a page, drawn in parallel and kept as `Thumbnails` are.

    Parameters
    ----------
    most_bytes : int
        Of all tiles kept together.
    workers : int
        Threads that decode.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES, workers: int = 4) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="thumbnail")
        self._thumbnails = Thumbnails(tile, most_bytes=most_bytes)

    def tiles(self, paths: Sequence[Path]) -> list[str]:
        """A tile for each file, in order; an empty string where the file cannot be read now."""
        return list(self._pool.map(self.tile, paths))

    def tile(self, path: Path) -> str:
        """A tile for one file; an empty string where it cannot be read now."""
        try:
            return self._thumbnails.of(path, TILE)
        except (OSError, ImageError):
            return ""

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
