"""Thumbnails are drawn in memory, so that no file of the collection is ever served as it is."""

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
"""Side of a tile in pixels: it is 160 CSS pixels wide, and a dense screen shows twice as many."""

MOST_BYTES = 2**25
"""Bytes of the memory cache: some 1,600 tiles of 20 kB, or 200 thumbnails of 1,024 pixels."""

_Drawn = TypeVar("_Drawn", bound=Sized)


def tile(pixels: NDArray[np.uint8], side: int = TILE) -> str:
    """Return the central square, which is what the encoder sees, as a `data:` address.

    Parameters
    ----------
    pixels : uint8 array (H, W, 3)
        An upright RGB picture.
    side : int
        Side of the square in pixels. A picture that is smaller is not enlarged.

    Examples
    --------
    >>> tile(np.zeros((4, 6, 3), np.uint8))[:23]
    'data:image/jpeg;base64,'
    """
    return data_uri(images.square(pixels, min(side, *pixels.shape[:2])))


def small_jpeg(pixels: NDArray[np.uint8], side: int) -> bytes:
    """Return the bytes of a JPEG of the whole picture, without metadata.

    Parameters
    ----------
    pixels : uint8 array (H, W, 3)
        An upright RGB picture.
    side : int
        Longer side of the JPEG in pixels. A picture that is smaller is not enlarged.

    Examples
    --------
    >>> small_jpeg(np.zeros((40, 60, 3), np.uint8), 16)[6:10]
    b'JFIF'
    """
    return jpeg(shrunk(pixels, side))


class Thumbnails(Generic[_Drawn]):
    """Thumbnails of files, with a cache of those used most recently.

    It is safe to use from many threads.

    Parameters
    ----------
    draw : callable
        Draws a thumbnail, as bytes or ASCII, from upright RGB pixels, uint8 (H, W, 3), and a side.
    load : Load
        Reads and decodes a file, as `images.load` does.
    most_bytes : int
        Bytes of all thumbnails in the cache.
    """

    def __init__(
        self,
        draw: Callable[[NDArray[np.uint8], int], _Drawn],
        load: images.Load = images.load,
        *,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._draw, self._load = draw, load
        self._most_bytes = most_bytes
        self._bytes = 0
        self._cache: OrderedDict[tuple[Path, int, int, int], _Drawn] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: Path, side: int) -> _Drawn:
        """Return the thumbnail of a file; it is drawn anew where the file has been replaced.

        Raises
        ------
        OSError, ImageError
            If the file cannot be read now.
        """
        status = path.stat()
        key = (path, side, status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        thumbnail = self._draw(self._load(path, at_least=side).pixels, side)
        with self._lock:
            if key in self._cache:  # another thread was quicker
                return self._cache[key]
            self._cache[key] = thumbnail
            self._bytes += len(thumbnail)
            while self._bytes > self._most_bytes:
                _, forgotten = self._cache.popitem(last=False)
                self._bytes -= len(forgotten)
        return thumbnail


class Tiles:
    """Tiles of files for a page; they are drawn in parallel and cached as `Thumbnails` are.

    Parameters
    ----------
    most_bytes : int
        Bytes of all tiles in the cache.
    workers : int
        Number of threads that decode files.
    load : Load
        As of `Thumbnails`.
    """

    def __init__(
        self, *, most_bytes: int = MOST_BYTES, workers: int = 4, load: images.Load = images.load
    ) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="thumbnail")
        self._thumbnails = Thumbnails(tile, load, most_bytes=most_bytes)

    def tiles(self, paths: Sequence[Path]) -> list[str]:
        """Return the tile of each file in order, or an empty string where it cannot be read."""
        return list(self._pool.map(self.tile, paths))

    def tile(self, path: Path) -> str:
        """Return the tile of one file, or an empty string where it cannot be read."""
        try:
            return self._thumbnails.of(path, TILE)
        except (OSError, ImageError):
            return ""

    def close(self) -> None:
        """End the threads without waiting for the tiles that they draw."""
        self._pool.shutdown(wait=False, cancel_futures=True)
