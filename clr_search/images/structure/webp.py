"""WebP: number of chunks, EXIF, and the size of the canvas.

The bit stream of a lossless WebP can ask for tables that take more memory than its pixels; that
cannot be seen without decoding it.
"""

from __future__ import annotations

from struct import unpack_from

from clr_search.errors import ImageError
from clr_search.images.structure import tiff
from clr_search.images.structure.frame import Frame

MAX_CHUNKS = 2**15
"""Chunks, of which each frame of a film is one."""


def check(data: bytes) -> Frame | None:
    """Refuse a WebP with too many chunks, or harmful EXIF; see `structure.check`."""
    at, chunks = 12, 0
    frame: Frame | None = None
    while at + 8 <= len(data):
        name, size = unpack_from("<4sI", data, at)
        at += 8
        if frame is None:
            frame = _frame(name, data[at : at + 10])
        if name == b"EXIF":
            tiff.check_exif(data[at : at + size])
        chunks += 1
        if chunks > MAX_CHUNKS:
            raise ImageError(f"the WebP has more than {MAX_CHUNKS:,} chunks")
        at += size + size % 2
    return frame


def _frame(name: bytes, body: bytes) -> Frame | None:
    """The size, of the chunks that begin a file."""
    if len(body) < 10:
        return None
    if name == b"VP8X":
        return Frame(_three(body, 4) + 1, _three(body, 7) + 1)
    if name == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return Frame((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if name == b"VP8 ":
        width, height = unpack_from("<HH", body, 6)
        return Frame(width & 0x3FFF, height & 0x3FFF)
    return None


def _three(body: bytes, at: int) -> int:
    return int.from_bytes(body[at : at + 3], "little")
