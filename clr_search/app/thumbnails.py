"""Small pictures for the page, made in memory: nothing of the collection is served as a file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ImageError
from clr_search.pictures.inline import data_uri

TILE = 320
"""Side of a tile's thumbnail in pixels: 160 on the page, twice that on a dense screen."""


def tile(pixels: NDArray[np.uint8], side: int = TILE) -> str:
    """The central square, which is what the encoder sees, as a `data:` address; never enlarged."""
    return data_uri(images.square(pixels, min(side, *pixels.shape[:2])))


class Thumbnails:
    """Tiles of files, made in parallel, the most recently used kept in memory.

    Parameters
    ----------
    capacity : int
        Thumbnails kept; one takes about 20 kB.
    workers : int
        Threads that decode.
    """

    def __init__(self, *, capacity: int = 1024, workers: int = 4) -> None:
        self._capacity = capacity
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="thumbnail")
        self._kept: OrderedDict[tuple[Path, int, int], str] = OrderedDict()
        self._lock = threading.Lock()

    def tiles(self, paths: Sequence[Path]) -> list[str]:
        """A tile for each file, in order; an empty string where the file cannot be read now."""
        return list(self._pool.map(self.tile, paths))

    def tile(self, path: Path) -> str:
        """A tile for one file; an empty string where it cannot be read now."""
        try:
            status = path.stat()
            # Time and size are part of the key: a file that was replaced is drawn anew.
            key = (path, status.st_mtime_ns, status.st_size)
            with self._lock:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            made = tile(images.load(path, at_least=TILE).pixels)
        except (OSError, ImageError):
            return ""
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return made

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
