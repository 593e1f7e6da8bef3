"""The boxes of an ISO container (ISO/IEC 14496-12) that tell of its items and films."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import unpack_from
from typing import NamedTuple

from clr_search.errors import ImageError

MAX_BOXES = 2**14
"""Boxes, items, properties, references or extents; a phone's picture has some 300."""
MAX_SAMPLES = 2**18
"""Frames of a film: more than two hours at 30 a second."""

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")

Span = tuple[int, int]
"""Start and end of bytes in the file."""
Size = tuple[int, int]
"""Width and height."""


class Film(NamedTuple):
    """A track: its size, and where its first frame begins."""

    width: int
    height: int
    start: int


@dataclass(frozen=True)
class Items:
    """The pictures and metadata of a container, by their numbers."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, tuple[Span, ...]] = field(default_factory=dict)
    derived: dict[int, list[int]] = field(default_factory=dict)
    """Items that a picture is made of, as often as they are named."""
    beside: dict[int, list[int]] = field(default_factory=dict)
    """Planes of alpha of a picture."""
    described: dict[int, int] = field(default_factory=dict)
    """Of metadata, how many pictures they describe."""
    sizes: dict[int, Size] = field(default_factory=dict)

    def size(self, number: int) -> Size:
        """Width and height of a picture, by its properties; 0, 0 where none is told."""
        return self.sizes.get(number, (0, 0))

    def parts(self, number: int) -> set[int]:
        """The picture, and all that it is made of."""
        found, waiting = set[int](), [number]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += self.derived.get(one, []) + self.beside.get(one, [])
        return found


def read_boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of the content of each box between two places."""
    count = 0
    while start + 8 <= end:
        size, name = unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            size, head = unpack_from(">Q", data, start + 8)[0], 16
        size = size or end - start
        _within(count, "boxes")
        if size < head:
            return
        yield name, start + head, min(start + size, end)
        start += size
        count += 1


def read_items(data: bytes) -> Items | None:
    """What the `meta` box tells; None where there is none."""
    meta = next((box for box in read_boxes(data, 0, len(data)) if box[0] == b"meta"), None)
    if meta is None:
        return None
    boxes = {name: (at, end) for name, at, end in read_boxes(data, meta[1] + 4, meta[2])}
    primary = _read_primary(data, *boxes[b"pitm"]) if b"pitm" in boxes else 0
    kinds = _read_kinds(data, *boxes[b"iinf"]) if b"iinf" in boxes else {}
    base = boxes.get(b"idat", (len(data), 0))[0]
    places = _read_places(data, boxes[b"iloc"][0], base) if b"iloc" in boxes else {}
    sizes, alphas = _read_properties(data, *boxes[b"iprp"]) if b"iprp" in boxes else ({}, set())
    derived: dict[int, list[int]] = {}
    beside: dict[int, list[int]] = {}
    described: dict[int, int] = {}
    for kind, source, targets in _read_references(data, *boxes.get(b"iref", (0, 0))):
        if kind == b"dimg":
            derived.setdefault(source, []).extend(targets)
        elif kind == b"auxl" and source in alphas:
            for target in targets:
                beside.setdefault(target, []).append(source)
        elif kind == b"cdsc":
            described[source] = described.get(source, 0) + len(targets)
    return Items(primary, kinds, places, derived, beside, described, sizes)


def _within(count: int, name: str) -> None:
    if count > MAX_BOXES:
        raise ImageError(f"the file has more than {MAX_BOXES:,} {name}")


def _full(data: bytes, at: int) -> tuple[int, int]:
    """Version and flags of a full box."""
    (word,) = unpack_from(">I", data, at)
    return word >> 24, word & 0xFFFFFF


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "big")


def _read_primary(data: bytes, at: int, end: int) -> int:
    return _number(data, at + 4, 2 if _full(data, at)[0] == 0 else 4)


def _read_kinds(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """Types of the items (`iinf`)."""
    wide = _full(data, at)[0] > 0
    kinds = {}
    for name, start, _ in read_boxes(data, at + (8 if wide else 6), end):
        version, _ = _full(data, start)
        if name == b"infe" and version >= 2:
            size = 2 if version == 2 else 4
            kinds[_number(data, start + 4, size)] = data[start + 6 + size : start + 10 + size]
    return kinds


def _read_places(data: bytes, at: int, base: int) -> dict[int, tuple[Span, ...]]:
    """Where the bytes of each item are (`iloc`); `base` is the start of `idat`."""
    version, _ = _full(data, at)
    sizes = _number(data, at + 4, 2)
    offset, length, start, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    index = index if version in (1, 2) else 0
    wide = 4 if version == 2 else 2
    count, at = _number(data, at + 6, wide), at + 6 + wide
    places: dict[int, tuple[Span, ...]] = {}
    extents = 0
    for _ in range(count):
        item, at = _number(data, at, wide), at + wide
        inside = version in (1, 2) and _number(data, at, 2) & 15 == 1
        at += 4 if version in (1, 2) else 2
        begin, many = _number(data, at, start), _number(data, at + start, 2)
        at += start + 2
        extents += max(many, 1)
        _within(extents, "extents")
        found = []
        for _ in range(many):
            at += index
            first, size = _number(data, at, offset), _number(data, at + offset, length)
            at += offset + length
            first = min(first + begin + (base if inside else 0), len(data))
            found.append((first, min(first + size, len(data)) if size else len(data)))
        places[item] = tuple(found)
    return places


def _read_references(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, list[int]]]:
    """Kind, source and targets of each reference (`iref`)."""
    if at >= end:
        return
    size = 2 if _full(data, at)[0] == 0 else 4
    total = 0
    for kind, start, stop in read_boxes(data, at + 4, end):
        count = min(_number(data, start + size, 2), max(stop - start, 0) // size)
        total += count
        if total > 4 * MAX_BOXES:
            raise ImageError(f"the file has more than {4 * MAX_BOXES:,} references")
        first = start + size + 2
        yield (
            kind,
            _number(data, start, size),
            [_number(data, first + size * n, size) for n in range(count)],
        )


def _read_properties(data: bytes, at: int, end: int) -> tuple[dict[int, Size], set[int]]:
    """Sizes of the items, and which are planes of alpha (`iprp`)."""
    properties: list[Size | bool] = []
    sizes: dict[int, Size] = {}
    alphas: set[int] = set()
    boxes = list(read_boxes(data, at, end))
    for name, start, stop in boxes:
        if name == b"ipco":
            properties += _read_container(data, start, stop)
    for name, start, _ in boxes:
        if name != b"ipma":
            continue
        for item, index in _read_associations(data, start):
            one = properties[index - 1] if 0 < index <= len(properties) else False
            if isinstance(one, tuple):
                sizes.setdefault(item, one)
            elif one:
                alphas.add(item)
    return sizes, alphas


def _read_container(data: bytes, at: int, end: int) -> Iterator[Size | bool]:
    """Yield the size that each property in `ipco` states, or whether it states an alpha channel."""
    for kind, start, stop in read_boxes(data, at, end):
        if kind == b"ispe":
            width, height = unpack_from(">II", data, start + 4)
            yield width, height
        else:
            yield kind == b"auxC" and data[start + 4 : stop].startswith(_ALPHA)


def _read_associations(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """Pairs of an item and the number of a property that it has (`ipma`)."""
    version, flags = _full(data, at)
    wide, each = (4 if version else 2), (2 if flags & 1 else 1)
    count, at = _number(data, at + 4, 4), at + 8
    total = 0
    for _ in range(count):
        item, many = _number(data, at, wide), _number(data, at + wide, 1)
        at += wide + 1
        total += many + 1
        if total > 8 * MAX_BOXES:
            raise ImageError(f"the file has more than {8 * MAX_BOXES:,} properties of items")
        for _ in range(many):
            yield item, _number(data, at, each) & (0x7FFF if each == 2 else 0x7F)
            at += each


def read_films(data: bytes) -> list[Film]:
    """The tracks of the `moov` box; too many frames in one are refused."""
    films = []
    for name, at, end in read_boxes(data, 0, len(data)):
        if name == b"moov":
            for kind, start, stop in read_boxes(data, at, end):
                if kind == b"trak":
                    films.append(_read_track(data, start, stop))
    return films


def _read_track(data: bytes, at: int, end: int) -> Film:
    inner = {name: (start, stop) for name, start, stop in read_boxes(data, at, end)}
    width, height = (0, 0)
    if b"tkhd" in inner:
        width, height = (side >> 16 for side in unpack_from(">II", data, inner[b"tkhd"][1] - 8))
    where = inner.get(b"mdia", (0, 0))
    for name in (b"minf", b"stbl"):
        found = {box: (start, stop) for box, start, stop in read_boxes(data, *where)}
        where = found.get(name, (0, 0))
    table = {box: start for box, start, _ in read_boxes(data, *where)}
    counts = [
        _number(data, table[box] + 4, 4)
        for box in (b"stsc", b"stco", b"co64", b"stts")
        if box in table
    ]
    if b"stsz" in table:
        counts.append(_number(data, table[b"stsz"] + 8, 4))
    if max(counts, default=0) > MAX_SAMPLES:
        raise ImageError(f"the film has more than {MAX_SAMPLES:,} frames")
    start = len(data)
    for box, size in ((b"stco", 4), (b"co64", 8)):
        if box in table and _number(data, table[box] + 4, 4):
            start = min(_number(data, table[box] + 8, size), len(data))
    return Film(width, height, start)
