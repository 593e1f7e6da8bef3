"""PNG: numbers of chunks, and sizes of those that are no pixels.

Pillow reads chunk after chunk in Python, so that millions of empty ones take seconds, and unpacks
compressed texts of up to a megabyte each.
"""

from __future__ import annotations

from struct import Struct, unpack_from

from clr_search.errors import ImageError
from clr_search.images.structure import tiff
from clr_search.images.structure.frame import Frame

MAX_CHUNKS = 4096
"""Chunks that hold no pixels. Files have a few dozen."""
CHUNK_BYTES = 256
"""Fewest bytes of a file per chunk of pixels beyond the first `MAX_CHUNKS`; writers use 8,192."""
MAX_TEXT = 2**23
"""Bytes of texts, unpacked."""
MAX_SMALL = 2**12
"""Bytes of a chunk that has a fixed, small size in the standard."""

_PACKED = 2**20  # the most that Pillow unpacks of a text
_DEFLATE = 1032  # the most bytes that one byte of deflate can become
_SMALL = {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"acTL", b"fcTL", b"bKGD"}
_PIXELS = {b"IDAT", b"DDAT", b"fdAT"}
_CHUNK = Struct(">I4s")


def check(data: bytes) -> Frame | None:
    """Refuse a PNG with too many chunks, or too much text; see `structure.check`."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height = unpack_from(">II", data, 16)
    _check_chunks(data)
    return Frame(width, height)


def _check_chunks(data: bytes) -> None:
    """Walk the chunks that Pillow reads: all, or of a film those of the first frame."""
    most_pixels = MAX_CHUNKS + len(data) // CHUNK_BYTES
    at, others, pixels, text, frames = 8, 0, 0, 0, 0
    while at + 8 <= len(data):
        length, name = _CHUNK.unpack_from(data, at)
        at += 8
        if name in _PIXELS:
            pixels += 1
        else:
            others += 1
            text += _check_other(data, at, length, name)
            if name == b"acTL" and length >= 8:
                frames = 0 if frames else unpack_from(">I", data, at)[0]
            if name == b"IEND" or not name.isalpha() or (name == b"fcTL" and frames > 1 and pixels):
                return
        if others > MAX_CHUNKS or pixels > most_pixels:
            raise ImageError(f"the PNG has more than {MAX_CHUNKS:,} chunks for its size")
        if text > MAX_TEXT:
            raise ImageError(f"the texts of the PNG are larger than {MAX_TEXT:,} bytes")
        at += length + 4


def _check_other(data: bytes, at: int, length: int, name: bytes) -> int:
    """Refuse a chunk that holds no pixels for its size; else the bytes of text that it has."""
    if name in _SMALL and length > MAX_SMALL:
        shown = name.decode("ascii")
        raise ImageError(f"the {shown} chunk of the PNG has {length:,} bytes")
    if name == b"eXIf":
        tiff.check_exif(data[at : at + length])
    if name in (b"zTXt", b"iCCP"):
        return max(length, min(_PACKED, _DEFLATE * length))
    if name == b"iTXt":
        key = data.find(b"\0", at, at + length)
        packed = key >= 0 and data[key + 1 : key + 2] != b"\0"
        return max(length, min(_PACKED, _DEFLATE * length)) if packed else length
    return length if name == b"tEXt" else 0
