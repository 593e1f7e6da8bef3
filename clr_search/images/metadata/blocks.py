"""Where in a picture file its block of EXIF lies, found by seeking from header to header."""

from __future__ import annotations

from collections.abc import Callable
from struct import unpack

from clr_search.errors import ImageError
from clr_search.images.formats import kind_of
from clr_search.images.structure.boxes import read_items

Read = Callable[[int, int], bytes]
"""A function of a place and a count that returns the bytes there; fewer behind the end."""

MAX_PARTS = 4096
"""Segments or chunks that are passed over on the way to the EXIF."""

MAX_BLOCK = 2**20
"""Bytes of a block of EXIF outside of TIFF; in JPEG it has at most 64 kB."""

MAX_BOXES = 2**26
"""Bytes of an HEIC or AVIF file; of a larger one, no EXIF is read."""


def exif_block(read: Read) -> Read | None:
    """Return a function that reads the block of EXIF of a file; None where there is none.

    Parameters
    ----------
    read : callable
        Reads the file.

    Raises
    ------
    struct.error
        If the file ends within a header.
    """
    try:
        kind = kind_of(read(0, 64))
    except ImageError:
        return None
    if kind == "TIFF":
        return read
    finder = {"JPEG": _of_jpeg, "PNG": _of_png, "WebP": _of_webp, "HEIC": _of_boxes}
    finder["AVIF"] = _of_boxes
    block = finder[kind](read) if kind in finder else None
    if block is None:
        return None
    data = block.removeprefix(b"Exif\0\0")
    return lambda at, count: data[at : at + count]


def _of_jpeg(read: Read) -> bytes | None:
    """Return the EXIF of a JPEG, whose segments before the first scan are walked."""
    at = 2
    for _ in range(MAX_PARTS):
        mark, marker = read(at, 2)
        if mark != 0xFF or marker in (0xD9, 0xDA):
            return None
        if marker == 0xFF:  # filling
            at += 1
            continue
        (size,) = unpack(">H", read(at + 2, 2))
        if marker == 0xE1 and read(at + 4, 6) == b"Exif\0\0":
            return read(at + 10, max(size - 8, 0))
        at += 2 + size
    return None


def _of_png(read: Read) -> bytes | None:
    """Return the EXIF of a PNG, which may stand behind the pixels."""
    at = 8
    for _ in range(MAX_PARTS):
        size, name = unpack(">I4s", read(at, 8))
        if name == b"eXIf":
            return read(at + 8, min(size, MAX_BLOCK))
        if name == b"IEND":
            return None
        at += 12 + size
    return None


def _of_webp(read: Read) -> bytes | None:
    """Return the EXIF of a WebP, which stands behind the pixels."""
    at = 12
    for _ in range(MAX_PARTS):
        name, size = unpack("<4sI", read(at, 8))
        if name == b"EXIF":
            return read(at + 8, min(size, MAX_BLOCK))
        at += 8 + size + size % 2
    return None


def _of_boxes(read: Read) -> bytes | None:
    """Return the EXIF of an HEIC or AVIF file, an item of its container."""
    data = read(0, MAX_BOXES + 1)
    if len(data) > MAX_BOXES:
        return None
    try:
        items = read_items(data)
    except ImageError:
        return None
    if items is None:
        return None
    number = next((n for n, kind in items.kinds.items() if kind == b"Exif"), None)
    if number is None:
        return None
    body = b"".join(data[start:end] for start, end in items.places.get(number, ())[:8])[:MAX_BLOCK]
    return body[4 + int.from_bytes(body[:4], "big") :]
