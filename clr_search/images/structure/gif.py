"""GIF: what stands before the first frame, and the size of that frame.

Pillow reads extensions in Python, sub-block by sub-block, and adds up comments by copying all that
came before. Later frames are decoded only where the first is empty, as far as `frames` allows.
"""

from __future__ import annotations

import re
from struct import error, unpack_from

from clr_search.errors import ImageError
from clr_search.images.structure.frame import Frame

MAX_BLOCKS = 2**16
"""Sub-blocks of extensions before the first frame; XMP of a megabyte has some 15,000."""
MAX_COMMENTS = 2**11
"""Sub-blocks of comments among them, 255 bytes each."""
MAX_JUNK = 2**12
"""Bytes between blocks that belong to none."""

_BLOCK = re.compile(rb"[!,;]")


def check(data: bytes) -> Frame | None:
    """Refuse a GIF with too much before its first frame; see `structure.check`."""
    try:
        return _frame(data)
    except IndexError:  # cut off within a header
        return None


def _frame(data: bytes) -> Frame | None:
    width, height = unpack_from("<HH", data.ljust(13, b"\0"), 6)
    at = 13 + (6 << (data[10] & 7) if data[10] & 0x80 else 0)
    blocks, comments, junk = 0, 0, 0
    while at < len(data):
        found = _BLOCK.search(data, at)
        junk += (found.start() if found else len(data)) - at
        if junk > MAX_JUNK:
            raise ImageError(f"the GIF has more than {MAX_JUNK:,} bytes that belong to no block")
        if found is None or found[0] == b";":
            return None
        at = found.end()
        if found[0] == b",":
            left, top, wide, high = unpack_from("<4H", data.ljust(at + 8, b"\0"), at)
            return Frame(max(width, left + wide), max(height, top + high))
        comment = data[at] == 0xFE
        at += 1
        size = 1
        while size:  # the last block of an extension is the empty one
            size = data[at]
            at += 1 + size
            blocks, comments = blocks + 1, comments + comment
            if blocks > MAX_BLOCKS or comments > MAX_COMMENTS:
                raise ImageError("the GIF has too many comments or extensions before its pixels")
    return None


def frames(data: bytes) -> int:
    """Returns the number of frames, up to the first that a reader should not go on to.

    Such a one reaches beyond the first frame and the screen, or has too much before it, or data in
    too many parts: Pillow goes through all that stands between two frames in Python.
    """
    width, height = unpack_from("<HH", data.ljust(13, b"\0"), 6)
    at = 13 + (6 << (data[10] & 7) if data[10] & 0x80 else 0)
    count = blocks = 0
    try:
        while data[at] in b"!,":
            picture = data[at] == 0x2C
            if picture:
                left, top, wide, high = unpack_from("<4H", data, at + 1)
                if count and (left + wide > width or top + high > height):
                    break
                width, height = max(width, left + wide), max(height, top + high)
                at += 11 + (6 << (data[at + 9] & 7) if data[at + 9] & 0x80 else 0)
            else:
                at += 2
            while (size := data[at]) and blocks <= MAX_BLOCKS:
                at += 1 + size
                blocks += 1
            at += 1
            if blocks > MAX_BLOCKS:
                break
            count += picture
    except (error, IndexError):  # cut off
        pass
    return count
