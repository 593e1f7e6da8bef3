"""Thumbnails are drawn in memory, so that no file of the collection is ever served as it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.pictures.inline import jpeg, shrunk

MOST_BYTES = 2**25
"""Bytes of the memory cache: some 1,600 thumbnails of 20 kB, or 200 of 1,024 pixels."""

_Drawn = TypeVar("_Drawn", bound=Sized)


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
