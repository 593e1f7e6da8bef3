"""Pictures whose file is cut off or damaged near its end: read, with a note on what is missing.

What is missing is found by decoding twice, with different bytes or colours in the place of what is
not there: rows that differ were made up. A picture of which more than a quarter is missing is
refused, as it would be found for its grey part.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from clr_search.images.colour.bands import bands
from clr_search.images.geometry import cropped
from clr_search.images.picture import Note

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MOST_MISSING = 0.25
"""Largest share of the rows that may be missing."""

_END = b"\xff\xd9"  # of a JPEG
_SCAN = b"\xff\xda"
_ZEROS = bytes(64)  # what programs that download fill a file with beforehand
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # one that ends a scan
_JUNK = bytes(np.random.default_rng(0).integers(0, 255, 2**14, np.uint8))  # never 0xFF, no marker
_GREY, _OTHER = 128, 77  # made-up pixels of the two attempts
_FILLED = {"1", "L", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "P", "LA"}
_RESCUED = ("PNG", "BMP", "TIFF")

Opener = Callable[[bytes], "ImageFile.ImageFile"]
"""Opens a file again, as it was opened before, with other bytes."""


def load(
    image: ImageFile.ImageFile, data: bytes, kind: str, opened: Opener, full_rows: int
) -> tuple[Image.Image, tuple[Note, ...]]:
    """Loads an image, as far as its file goes.

    Parameters
    ----------
    image : ImageFile
        The file, opened.
    data : bytes
        Its content.
    kind : str
        Its format.
    opened : callable
        Opens other bytes in the same way.
    full_rows : int
        The number of rows of the picture, of which a reduced JPEG has fewer.

    Returns
    -------
    image : Image
        The image, loaded.
    notes : tuple of Note
        What is missing, if anything is.

    Raises
    ------
    Exception
        What the decoder raised, where too much is missing, or nothing can be read.
    """
    try:
        image.load()
        if kind == "JPEG" and data.endswith(_ZEROS) and _lacks_end(data):
            raise OSError("the rest of the file is zeros: it is truncated")
    except Exception:
        try:
            found = _rescued(data, kind, opened, full_rows)
        except Exception:  # noqa: BLE001  # the first error tells more
            found = None
        if found is None:
            raise
        return found[0], (found[1],)
    return image, ()


def _rescued(
    data: bytes, kind: str, opened: Opener, full_rows: int
) -> tuple[Image.Image, Note] | None:
    """The image and what is missing of it; None where that is too much."""
    if kind == "JPEG":
        return _jpeg(data, opened, full_rows)
    if kind in _RESCUED:
        other, _ = _filled(opened(data), _OTHER)
        rows = _row_sums(other)
        del other
        image, height = _filled(opened(data), _GREY)
        missing = sum(a != b for a, b in zip(rows, _row_sums(image), strict=True))
        return _judged(image, missing, height)
    return None


def _jpeg(data: bytes, opened: Opener, full_rows: int) -> tuple[Image.Image, Note] | None:
    """A JPEG without its end, with an end behind it."""
    if not _lacks_end(data):
        return None  # it is broken in another way
    start = data.rstrip(b"\0") if data.endswith(_ZEROS) else data
    start = start.removesuffix(b"\xff")
    image = opened(start + _END)
    coarse = start[: _end_of_first_values(start)] if image.info.get("progressive") else start
    missing, rows = _rows_without_data(coarse, opened)
    image.load()
    if missing == 0 and len(coarse) < len(start):
        return image, Note("loss", "its finest details are missing")
    return _judged(image, -(-missing * full_rows // rows), full_rows)


def _lacks_end(data: bytes) -> bool:
    """Whether the last scan of a JPEG has no end mark behind it; within a scan there is none."""
    return data.rfind(_END) < data.rfind(_SCAN)


def _end_of_first_values(data: bytes) -> int:
    """Where the data end that tell the first values of all components of a progressive JPEG.

    They are in one scan, or in one for each component; others refine them.
    """
    at = data.find(_SCAN)
    for _ in range(0 if data[at + 4 : at + 5] > b"\1" else 2):
        at = max(data.find(_SCAN, at + 2), at)
    marker = _MARKER.search(data, at + 2)
    return marker.start() if marker else len(data)


def _rows_without_data(data: bytes, opened: Opener) -> tuple[int, int]:
    """How many rows of a JPEG, and of how many, depend on what comes after these data."""
    other = opened(data + _JUNK + _END)
    other.load()
    sums = _row_sums(other)
    del other
    image = opened(data + _END)
    image.load()
    same = [a == b for a, b in zip(sums, _row_sums(image), strict=True)]
    return len(same) - (same.index(False) if False in same else len(same)), len(same)


def _filled(image: ImageFile.ImageFile, fill: int) -> tuple[Image.Image, int]:
    """A loaded image with all pixels that the file gives, the others of one value."""
    if image.mode not in _FILLED:
        raise ValueError(image.mode)
    from PIL import Image

    first = image.tile[0].extents if len(image.tile) == 1 else None
    size = first[2:] if first else image.size  # a TIFF is turned later
    channels = len(image.getbands())
    colour = fill if channels == 1 else (fill,) * channels
    image.im = Image.new(image.mode, size, colour).im
    try:
        image.load()
    except Exception:  # noqa: BLE001  # of whatever kind it is, pixels have been read
        image.tile = []
    return image, image.size[1]


def _row_sums(image: Image.Image) -> list[int]:
    """A checksum of each row."""
    sums: list[int] = []
    for top, bottom in bands(*image.size):
        part = np.asarray(cropped(image, (0, top, image.width, bottom)))
        sums += [zlib.crc32(row.tobytes()) for row in part]
    return sums


def _judged(image: Image.Image, missing: int, rows: int) -> tuple[Image.Image, Note] | None:
    """The image with its note, unless too much is missing."""
    if missing > MOST_MISSING * rows:
        return None
    if missing == 0:
        return image, Note("loss", "its end is missing, but no row")
    return image, Note("loss", f"{missing:,} {'row' if missing == 1 else 'rows'} missing")
