"""Thumbnails and large pictures of the collection and of uploads, as JPEG files without metadata.

No file of the collection is handed out for them: each is decoded, in a process of its own, and
encoded again. So any format is shown, and no place or owner leaves the machine with a picture.
"""

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.app.library.library import Library
from clr_search.pictures.inline import jpeg, shrunk
from clr_search.web.tile_store import TileStore

SIDE = 256
"""Shorter side of a thumbnail in pixels: tiles are some 190 CSS pixels wide."""

LONGEST = 640
"""Longest side of a thumbnail: of what is longer than wide, tiles show the middle."""

LARGE = 2048
"""Longest side of a large picture: it fills most screens."""

_DRAWN = 1  # Increased where thumbnails are drawn in another way, so that older ones are not used.


class Tiles:
    """The thumbnails of a collection; it is safe to use from several threads.

    Parameters
    ----------
    library : Library
        The collection.
    store : TileStore
        Where thumbnails are kept between runs.
    """

    def __init__(self, library: Library, store: TileStore) -> None:
        self._library, self._store = library, store
        self._drawing: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def thumbnail(self, number: int) -> bytes:
        """Return the thumbnail of an item.

        Raises
        ------
        ClrSearchError
            If there is no such item, or its file is gone or cannot be read.
        """
        return self._kept(self._library.item(number).path)

    def large(self, number: int) -> bytes:
        """Return a picture of the collection, as large as a screen; errors as `thumbnail`."""
        return jpeg(
            shrunk(self._library.pixels(self._library.item(number).path, LARGE).pixels, LARGE)
        )

    def upload(self, token: str, *, large: bool) -> bytes:
        """Return an uploaded picture, small or large; errors as `thumbnail`."""
        path = self._library.uploads.get(token).path
        if large:
            return jpeg(shrunk(self._library.pixels(path, LARGE).pixels, LARGE))
        return self._drawn(path)

    def _kept(self, path: Path) -> bytes:
        """Return the thumbnail of a file as it is now; one thread draws it, others wait."""
        try:
            status = path.stat()
        except OSError:
            return self._drawn(path)  # It says what is the matter.
        words = f"{_DRAWN}\0{path}\0{status.st_mtime_ns}\0{status.st_size}"
        key = sha256(words.encode("utf-8", "surrogateescape")).hexdigest()
        known = self._store.get(key)
        if known is not None:
            return known
        with self._lock:
            drawing = self._drawing.setdefault(key, threading.Lock())
        try:
            with drawing:
                known = self._store.get(key)
                if known is None:
                    known = self._drawn(path)
                    self._store.put(key, known)
                return known
        finally:
            with self._lock:
                self._drawing.pop(key, None)

    def _drawn(self, path: Path) -> bytes:
        """Draw the thumbnail of a file."""
        return jpeg(fitted(self._library.pixels(path, SIDE).pixels))


def fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink a picture, uint8 (h, w, 3), to a shorter side of `SIDE`, and cut it to `LONGEST`.

    Examples
    --------
    >>> fitted(np.zeros((512, 700, 3), np.uint8)).shape
    (256, 350, 3)
    >>> fitted(np.zeros((20, 4000, 3), np.uint8)).shape
    (20, 640, 3)
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    side = round(max(height, width) * scale)
    small = shrunk(pixels, side) if scale < 1 else pixels
    if max(small.shape[:2]) <= LONGEST:
        return small
    height, width = small.shape[:2]
    wide, high = min(width, LONGEST), min(height, LONGEST)
    left, top = (width - wide) / 2 / width, (height - high) / 2 / height
    return images.cut(small, (left, top, wide / width, high / height))
