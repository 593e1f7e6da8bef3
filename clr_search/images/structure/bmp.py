"""BMP: its size only; run-length encoded ones are decoded by `images.rle`, within bounds."""

from __future__ import annotations

from struct import unpack_from

from clr_search.images.structure.frame import Frame


def check(data: bytes) -> Frame | None:
    """The size of a BMP; see `structure.check`."""
    if len(data) < 26:
        return None
    (header,) = unpack_from("<I", data, 14)
    width, height = unpack_from("<HH" if header == 12 else "<Ii", data, 18)
    return Frame(width, abs(height))
