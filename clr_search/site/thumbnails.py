"""Thumbnails for a site: JPEG files that are encoded anew, and so have no metadata.

Every picture has a file of its own, so that a visitor loads only the thumbnails that are shown.
Sheets of many thumbnails would be fewer files, but each search would load nearly all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clr_search import images
from clr_search.errors import ImageError
from clr_search.files.stores.failures import StoreError, told_whole
from clr_search.progress import Reporter
from clr_search.web.thumbnails import small_jpeg

_BATCH = 512  # Thumbnails in memory at a time; they take about 10 MB.


def address(number: int) -> str:
    """Return the path of a thumbnail in the site.

    A folder holds a thousand, since some hosts list no more files.

    Examples
    --------
    >>> address(1234)
    'thumbnails/1/1234.jpg'
    """
    return f"thumbnails/{number // 1000}/{number}.jpg"


def write(paths: Sequence[Path], folder: Path, side: int, reporter: Reporter) -> list[int]:
    """Draw the thumbnails of pictures into the folder of a site.

    They are numbered in the order of the pictures that can be read.

    Parameters
    ----------
    paths : sequence of Path
        Picture files.
    folder : Path
        Folder of the site.
    side : int
        Longer side of a thumbnail in pixels; smaller pictures are not enlarged.
    reporter : Reporter
        Shows progress, picture by picture.

    Returns
    -------
    list of int
        Positions in `paths` of the pictures that could be read.
    """

    def draw(path: Path) -> bytes | None:
        try:
            return small_jpeg(images.load(path, at_least=side).pixels, side)
        except StoreError:  # so would all the others be missing
            raise
        except ImageError:
            return None

    drawn: list[int] = []
    with (
        told_whole(),
        reporter.task("Thumbnails", len(paths), "pictures"),
        ThreadPoolExecutor(4) as pool,
    ):
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            for position, data in enumerate(pool.map(draw, batch), start):
                reporter.advance()
                if data is None:
                    continue
                file = folder / address(len(drawn))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                drawn.append(position)
    return drawn
