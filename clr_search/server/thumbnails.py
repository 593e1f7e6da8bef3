"""Small pictures of items, the last ones kept in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from clr_search import images
from clr_search.pictures.inline import jpeg, shrunk

_MOST = 512  # at about 20 kB each


class Thumbnails:
    """Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int, int], bytes] = OrderedDict()

    def of(self, path: Path, side: int) -> bytes:
        """A JPEG, upright, without metadata, of at most `side` pixels a side.

        Raises
        ------
        OSError, ImageError
            If the file cannot be read now.
        """
        status = path.stat()
        # A file that was replaced is drawn anew.
        key = (str(path), side, status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        made = jpeg(shrunk(images.load(path, at_least=side).pixels, side))
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return made
