"""TIFF directories, of TIFF files and of the EXIF blocks in all others.

A directory names values by offset and length, and a reader copies each. Nothing in the format keeps
a thousand entries from naming the same megabyte, so that the sum of all values is bounded here by
the size of the file that they lie in; so are the strips or tiles, which decoders read one by one.
"""

from __future__ import annotations

from struct import error, iter_unpack, unpack_from
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ImageError
from clr_search.images.structure.frame import Frame

MAX_ENTRIES = 4096
"""Entries of a directory. Files have a few dozen, those of microscopes and raw converters 200."""
MAX_SCALARS = 1024
"""Values of an entry that is a number, or a few."""
MAX_NUMBERS = 2**16
"""Numbers in a directory of EXIF, each of which becomes a Python object."""
MAX_COLOURS = 3 * 2**16
"""Numbers of a colour map."""
SLACK = 2**20
"""Bytes that values may take beyond twice the file, since those of damaged files overlap."""
FREE_PARTS, PART_PIXELS = 2**14, 2**10
"""Strips or tiles that any picture may have, and the pixels that each further one needs."""
FREE_TILE = 2**22
"""Pixels of a tile that any picture may have: 2,048 × 2,048."""
MAX_SCANS = 16
"""Scans of a strip or tile in JPEG; three are usual."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_BYTES = {1, 2, 7}  # types that stay bytes or text
_WHOLE = {3: "H", 4: "I", 8: "h", 9: "i", 13: "I", 16: "Q"}

_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _ROWS, _PLANAR = 256, 257, 259, 277, 278, 284
_STRIPS, _STRIP_BYTES, _COLOURS = 273, 279, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_LAYOUT = {_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _ROWS, _PLANAR, _STRIPS, _STRIP_BYTES}
_LAYOUT |= {_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES}
# Entries of which Pillow makes Python objects while it opens a TIFF: those, bits, photometric
# interpretation, fill order, orientation, resolution, formats, XMP and profile.
_SCALARS = _LAYOUT - {_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES}
_SCALARS |= {258, 262, 266, 274, 282, 283, 296, 338, 339, 530, 700, 34675, 0xBC01}
_DIRECTORIES = {34665, 34853, 40965}  # EXIF, GPS, interoperability


class _Entry(NamedTuple):
    kind: int
    values: int
    at: int  # where its value begins
    size: int  # bytes of it that are there


_Entries = dict[int, _Entry]


class _Block:
    """A TIFF file, or a block of EXIF, and the bytes that its directories have taken so far."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data, self.name = data, name
        self.order = "<" if data[:2] == b"II" else ">"
        self.big = data[2] == 43  # as Pillow sees it, in either order
        self._taken = 0

    def first(self) -> int:
        """Where the first directory is."""
        form, at = ("Q", 8) if self.big else ("I", 4)
        return int(unpack_from(self.order + form, self.data, at)[0])

    def directory(self, at: int) -> _Entries:
        """The entries of the directory that begins there, without those of no known type."""
        head, width, inline = ("Q", 20, 8) if self.big else ("H", 12, 4)
        if at >= len(self.data):
            return {}
        (count,) = unpack_from(self.order + head, self.data, at)
        at += 8 if self.big else 2
        count = min(count, (len(self.data) - at) // width)
        if count > MAX_ENTRIES:
            raise ImageError(
                f"a directory of the {self.name} has more than {MAX_ENTRIES:,} entries"
            )
        rows = iter_unpack(
            self.order + ("HHQQ" if self.big else "HHII"), self.data[at : at + count * width]
        )
        found: _Entries = {}
        for number, (tag, kind, values, value) in enumerate(rows):
            size = values * _SIZES.get(kind, 0)
            where = at + (number + 1) * width - inline if size <= inline else value
            there = min(size, max(len(self.data) - where, 0))
            self._taken += there
            if tag in found and tag in _LAYOUT and self.name == "TIFF":
                raise ImageError(f"the TIFF has its tag {tag} twice")
            if size:
                found[tag] = _Entry(kind, values, where, there)
        if self._taken > 2 * len(self.data) + SLACK:
            raise ImageError(
                f"the tags of the {self.name} overlap: they would take {self._taken:,} bytes"
            )
        return found

    def numbers(self, entry: _Entry | None) -> NDArray[np.float64]:
        """Whole numbers of an entry, shape (n,): none where it has another type."""
        if entry is None or entry.kind not in _WHOLE:
            return np.zeros(0)
        kind = np.dtype(self.order + _WHOLE[entry.kind])
        at = min(entry.at, len(self.data))
        return np.frombuffer(self.data, kind, entry.size // kind.itemsize, at).astype(np.float64)

    def number(self, entry: _Entry | None, otherwise: int) -> int:
        """The first of them."""
        if entry is None or entry.kind not in _WHOLE or entry.size < _SIZES[entry.kind]:
            return otherwise
        return int(unpack_from(self.order + _WHOLE[entry.kind], self.data, entry.at)[0])


def check(data: bytes) -> Frame | None:
    """Refuse a TIFF whose values overlap, or with odd strips or tiles; see `structure.check`."""
    if len(data) < 8:
        return None
    if data.startswith(b"MM\0+"):  # which Pillow and libtiff read differently
        raise ImageError("BigTIFF in big-endian order is not supported")
    block = _Block(data, "TIFF")
    try:
        entries = block.directory(block.first())
        for tag, entry in entries.items():
            most = MAX_SCALARS if tag in _SCALARS else MAX_COLOURS if tag == _COLOURS else 0
            if most and entry.kind not in _BYTES and entry.values > most:
                raise ImageError(f"the tag {tag} of the TIFF has {entry.values:,} values")
        _check_directories(block, entries)
    except error:  # cut off within a header
        return None
    width, height = block.number(entries.get(_WIDTH), 0), block.number(entries.get(_HEIGHT), 0)
    if width < 1 or height < 1:
        return None
    _check_parts(block, entries, width, height)
    return Frame(width, height)


def check_exif(data: bytes, *, whole: bool = False) -> None:
    """Refuse a block of EXIF, with or without its prefix, whose values overlap or are too many.

    Parameters
    ----------
    data : bytes
        The block.
    whole : bool
        Check the directories within the first as well, where a reader goes through all of them.

    Raises
    ------
    ImageError
        As `check`. A block that is broken in another way is none that Pillow reads.
    """
    while data.startswith(b"Exif\0\0"):
        data = data[6:]
    if len(data) < 8 or data[:2] not in (b"II", b"MM"):
        return
    block = _Block(data, "EXIF")
    try:
        entries = block.directory(block.first())
        _check_numbers(block, entries)
        if whole:
            _check_directories(block, entries)
    except error:  # cut off within a header
        return


def _check_directories(block: _Block, entries: _Entries) -> None:
    """The directories within one, each of which Pillow reads whole."""
    waiting, seen = [entries], set[int]()
    while waiting:
        found = waiting.pop()
        for tag in sorted(_DIRECTORIES & found.keys()):
            at = block.number(found[tag], 0)
            if at and at not in seen:
                seen.add(at)
                waiting.append(block.directory(at))
                _check_numbers(block, waiting[-1])


def _check_numbers(block: _Block, entries: _Entries) -> None:
    numbers = sum(entry.values for entry in entries.values() if entry.kind not in _BYTES)
    if numbers > MAX_NUMBERS:
        there = sum(entry.size for entry in entries.values() if entry.kind not in _BYTES)
        if there > MAX_NUMBERS:  # else they are not in the file, and nothing is read
            raise ImageError(f"a directory of the {block.name} has {numbers:,} numbers")


def _check_parts(block: _Block, entries: _Entries, width: int, height: int) -> None:
    """Strips and tiles: as many as the size asks for, and together no larger than the file."""
    planes = 1
    if block.number(entries.get(_PLANAR), 1) == 2:
        planes = min(max(block.number(entries.get(_SAMPLES), 1), 1), 64)
    rows = min(max(block.number(entries.get(_ROWS), height), 1), height)
    wide = max(block.number(entries.get(_TILE_WIDTH), width), 1)
    high = max(block.number(entries.get(_TILE_HEIGHT), height), 1)
    if wide * high > max(FREE_TILE, 2 * width * height):
        raise ImageError(f"the TIFF of {width:,} × {height:,} has tiles of {wide:,} × {high:,}")
    strips = -(-height // rows) * planes
    tiles = -(-width // wide) * -(-height // high) * planes
    for offsets, sizes, parts in (
        (_STRIPS, _STRIP_BYTES, strips),
        (_TILES, _TILE_BYTES, tiles),
    ):
        if offsets not in entries:
            continue
        if parts > FREE_PARTS + planes * width * height // PART_PIXELS:
            raise ImageError(f"the TIFF of {width:,} × {height:,} is cut into {parts:,} parts")
        if max(entries[tag].values for tag in (offsets, sizes) if tag in entries) > 2 * parts + 16:
            raise ImageError(f"the TIFF has more than the {parts:,} strips or tiles of its size")
        _check_bytes(block, entries, offsets, sizes, 4 * width * height)


def _check_bytes(
    block: _Block, entries: _Entries, offsets: int, sizes: int, pixel_bytes: int
) -> None:
    """The data of strips or tiles: within the file, and in JPEG of few scans."""
    lengths = block.numbers(entries.get(sizes)).clip(0, len(block.data))
    if lengths.sum() > 2 * len(block.data) + pixel_bytes:
        raise ImageError("the strips or tiles of the TIFF overlap")
    compression = block.number(entries.get(_COMPRESSION), 1)
    starts = block.numbers(entries[offsets]).clip(0, len(block.data))
    if compression == 7:
        counts = (
            block.data.count(b"\xff\xda", int(start), int(start + length))
            for start, length in zip(starts, lengths, strict=False)
        )
        most = max(counts, default=0)
    else:  # in the older kind, scans may stand anywhere
        scans = block.data.count(b"\xff\xda") if compression == 6 else 0
        most = scans // max(len(starts), 1)
    if most > MAX_SCANS:
        raise ImageError(f"a strip or tile of the TIFF has more than {MAX_SCANS} JPEG scans")
