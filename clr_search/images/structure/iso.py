"""AVIF and HEIC: the items of the container, how often each is decoded, and their true sizes.

A picture here is an item, or made of other items: a grid of tiles, an overlay, with an alpha plane
beside it. The container tells the size of each, but a decoder of AV1 goes by the size in the
sequence header of the bit stream; both are compared.
"""

from __future__ import annotations

from struct import error

from clr_search.errors import ImageError
from clr_search.images.structure import tiff
from clr_search.images.structure.av1 import coded_size
from clr_search.images.structure.boxes import Items, read_films, read_items
from clr_search.images.structure.frame import Frame

MAX_METADATA = 2**22
"""Bytes of metadata that a file may have beyond twice its size, an item counted per picture."""
MAX_DEPTH = 8
"""Pictures within pictures; a grid of tiles is one."""
FREE_PIXELS = 2**22
"""Pixels that may be decoded beyond four times those that are shown."""


def check(data: bytes) -> Frame | None:
    """Refuse a container whose items are too many or too large; see `structure.check`."""
    try:
        for film in read_films(data):
            _check_coded(data, film.start, film.start + 4096, film.width * film.height)
        items = read_items(data)
    except (error, IndexError):  # cut off within a header
        return None
    if items is None:
        return None
    _check_metadata(data, items)
    width, height = items.size(items.primary)
    if width < 1 or height < 1:
        return None
    pixels = _decoded(items, items.primary, {})
    if pixels > 4 * width * height + FREE_PIXELS:
        raise ImageError(f"for {width:,} × {height:,} pixels, {pixels:,} would have to be decoded")
    for number in items.parts(items.primary):
        if items.kinds.get(number) == b"av01":
            wide, high = items.size(number)
            for start, end in items.places.get(number, ())[:1]:
                _check_coded(data, start, end, wide * high)
    return Frame(width, height)


def _decoded(items: Items, number: int, known: dict[int, int], depth: int = 0) -> int:
    """Pixels that are decoded for an item, as often as it is used."""
    if depth > MAX_DEPTH:
        raise ImageError(f"the pictures of the file are nested more than {MAX_DEPTH} deep")
    if number not in known:
        inner = items.derived.get(number, [])
        width, height = items.size(number)
        uses = [*inner, *items.beside.get(number, [])]
        known[number] = (0 if inner else width * height) + sum(
            _decoded(items, one, known, depth + 1) for one in uses
        )
    return known[number]


def _check_metadata(data: bytes, items: Items) -> None:
    total = 0
    for number, used in items.described.items():
        size = sum(end - start for start, end in items.places.get(number, ()))
        total += size * max(used, 1)
    for number, kind in items.kinds.items():
        if kind == b"Exif":
            body = b"".join(data[start:end] for start, end in items.places.get(number, ()))
            tiff.check_exif(body[4 + int.from_bytes(body[:4], "big") :], whole=True)
    if total > 2 * len(data) + MAX_METADATA:
        raise ImageError(f"the metadata of the file overlap: they would take {total:,} bytes")


def _check_coded(data: bytes, start: int, end: int, told: int) -> None:
    """Compare the size in an AV1 bit stream with the pixels that the container tells."""
    size = coded_size(data[start : min(end, start + 4096)])
    if size and size[0] * size[1] > 2 * told + 2**16:
        raise ImageError(
            f"the file says {told:,} pixels, but its AV1 data {size[0]:,} × {size[1]:,}"
        )
