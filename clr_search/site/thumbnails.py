"""Small copies of pictures for a site: JPEG files, encoded anew, so without any metadata.

One file a picture: a visitor loads those that are shown, and no others. Sheets of many would be
fewer files, but each search would need nearly all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clr_search import images
from clr_search.errors import ImageError
from clr_search.progress import Reporter
from clr_search.web.thumbnails import small_jpeg

_PART = 512  # pictures in memory at a time


def address(number: int) -> str:
    """Where a thumbnail lies in the site; a thousand in a folder, as hosts list no more."""
    return f"thumbnails/{number // 1000}/{number}.jpg"


def write(paths: Sequence[Path], folder: Path, side: int, reporter: Reporter) -> list[int]:
    """Draw the thumbnails into `folder`, numbered in the order of the pictures that can be read.

    Parameters
    ----------
    paths : sequence of Path
        Pictures.
    folder : Path
        Of the site.
    side : int
        Their longer side, in pixels; never enlarged.
    reporter : Reporter
        Told of each.

    Returns
    -------
    list of int
        Positions in `paths` of those that could be read.
    """

    def draw(path: Path) -> bytes | None:
        try:
            return small_jpeg(images.load(path, at_least=side).pixels, side)
        except ImageError:
            return None

    drawn: list[int] = []
    with reporter.task("Thumbnails", len(paths), "pictures"), ThreadPoolExecutor(4) as pool:
        for at in range(0, len(paths), _PART):
            for place, data in enumerate(pool.map(draw, paths[at : at + _PART]), start=at):
                reporter.advance()
                if data is None:
                    continue
                file = folder / address(len(drawn))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
                drawn.append(place)
    return drawn
