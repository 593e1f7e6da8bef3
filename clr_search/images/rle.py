"""Run-length encoded BMPs, decoded here: Pillow's decoder is Python too, and has no bounds.

An escape of four bytes can ask Pillow's for 255 rows at once, beyond the end of the picture, and
its runs of four bits go pixel by pixel. This one adds runs as slices, ends with the last pixel, and
counts its steps.
"""

from __future__ import annotations

from struct import pack, unpack_from

import numpy as np

from clr_search.errors import ImageError

FREE_STEPS, STEP_PIXELS = 2**20, 32
"""Runs that a picture with as many pixels may have, and the pixels that each further one needs."""

_RLE8, _RLE4 = 1, 2
_HEADERS = (40, 52, 56, 64, 108, 124)
_PAIRS = [bytes((value >> 4, value & 15)) for value in range(256)]
_ALIKE = [bytes((value, value)) for value in range(256)]


def plain(data: bytes) -> bytes:
    """The same BMP without run-length encoding, with 8 bits a pixel; others as they are.

    Raises
    ------
    ImageError
        If the runs end before the picture does, or are more than its pixels need.
    """
    if len(data) < 54 or unpack_from("<I", data, 14)[0] not in _HEADERS:
        return data
    header, width, height = unpack_from("<Iii", data, 14)
    bits, compression = unpack_from("<HI", data, 28)
    if (compression, bits) not in ((_RLE8, 8), (_RLE4, 4)) or width < 1 or height == 0:
        return data
    colours = min(unpack_from("<I", data, 46)[0] or 1 << bits, 256)
    palette = data[14 + header : 14 + header + 4 * colours].ljust(1024, b"\0")
    start = unpack_from("<I", data, 10)[0] or 14 + header + 4 * colours
    pixels = _decoded(data, start, width, abs(height), compression == _RLE4)
    rows = np.frombuffer(pixels, np.uint8).reshape(abs(height), width)
    body = np.pad(rows, ((0, 0), (0, -width % 4))).tobytes()
    head = pack("<2sIIIIiiHHIIiiII", b"BM", 0, 0, 1078, 40, width, height, 1, 8, 0, 0, 0, 0, 256, 0)
    return head + palette + body


def _decoded(data: bytes, at: int, width: int, height: int, four: bool) -> bytes:
    """Indices of colours, a byte each, in the order of the file."""
    total = width * height
    runs = _PAIRS if four else _ALIKE
    out = bytearray()
    x = 0
    end = len(data) - 1
    # An honest file has at most a run for each pixel, and an escape for each row.
    steps = min(2 * (total + height) + 64, max(FREE_STEPS, total // STEP_PIXELS))
    for _ in range(steps):
        if len(out) >= total:
            break
        if at >= end:
            raise ImageError("truncated BMP: the file ends before the picture does")
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            count = min(count, width - x)  # a row ends where the picture does
            out += (runs[value] * ((count + 1) // 2))[: max(count, 0)]
            x += max(count, 0)
        elif value == 0:  # end of the row
            out += bytes(-len(out) % width)
            x = 0
        elif value == 1:  # end of the picture
            break
        elif value == 2:  # to the right and up
            skipped = data[at] + data[at + 1] * width if at < end else 0
            out += bytes(min(skipped, total - len(out)))
            x = len(out) % width
            at += 2
        else:
            size = (value + 1) // 2 if four else value
            body = data[at : at + size]
            out += b"".join(map(_PAIRS.__getitem__, body))[:value] if four else body
            x += value
            at += size + (at + size) % 2
    else:
        raise ImageError("the run-length encoded BMP has too many runs for its pixels")
    return bytes(out[:total]).ljust(total, b"\0")
