"""JPEG: segments before the first scan, and the passes of a progressive one over its pixels.

A decoder goes over all coefficients of a picture once per scan. The format needs each bit of a
coefficient once: a first pass over each, and at most 13 that refine it. Decoders accept scans that
repeat, so that a megabyte of them can cost as much as a hundred honest pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import Struct, error, unpack_from

import numpy as np

from clr_search.errors import ImageError
from clr_search.images.structure import tiff
from clr_search.images.structure.frame import Frame

MAX_SEGMENTS = 4096
"""Segments before the first scan. Profiles and XMP of many megabytes take a few hundred."""
MAX_JUNK = 2**16
"""Bytes between segments that belong to none."""
MAX_EXIF_SEGMENTS = 64
"""Segments that together are the EXIF block, 64 kB each."""
MAX_TABLES = 2**14
"""Bytes of quantization tables: four tables of 16 bits take 516."""
MAX_RESOURCES = 2**14
"""Photoshop resources, which Pillow reads one by one."""
MAX_SCANS = 100
"""Scans; the usual progressive JPEG has 10, those of optimizing encoders up to about 30."""
FEW_SCANS = 12
"""Scans that are not looked at, since however they repeat, they cost what honest ones do."""
MAX_FIRST, MAX_REFINING = 3 * 64, 13 * 64
"""Coefficients of a block that scans may begin and refine; 64 and 13 × 64 are all there are."""

_SOS, _DQT, _APP1, _APP13, _EOI = 0xDA, 0xDB, 0xE1, 0xED, 0xD9
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_FRAMES = {*range(0xC0, 0xD0), 0xDE} - {0xC4, 0xC8, 0xCC}
_COSTLY = _FRAMES | {_DQT, _APP1, _APP13}
# Without a length behind them: RSTn, SOI, EOI and those that Pillow skips as if they had none.
_BARE = {0x00, *range(0xD0, 0xDA), *range(0xF0, 0xFE), 0xC8}
_USUAL = {*range(0xC0, 0xC8), _SOS, _DQT, 0xDD, *range(0xE0, 0xF0), 0xFE}
_SIZE = Struct(">HHB")
_STRIDE = 2**18  # bytes that are searched for markers at a time

_FILLING = re.compile(rb"(?<!\xff)\xff{%d,}" % MAX_JUNK)

_Segment = tuple[int, int, int]
"""Marker, and start and end of the content behind the length."""


def check(data: bytes) -> Frame | None:
    """Refuse a JPEG with too many segments or scans; see `structure.check`."""
    segments, scan = _read_segments(data)
    sof, start = _check_segments(data, segments)
    if not sof or not scan:
        return None
    try:
        height, width, count = _SIZE.unpack_from(data, start + 1)
        whole = sof in _PROGRESSIVE or data[scan + 2] < count
        if whole and data.count(b"\xff\xda", scan) >= FEW_SCANS:
            _check_scans(data, scan - 2)
    except (error, IndexError, ValueError):  # cut off within a header
        return None
    return Frame(width, height, whole)


def without_filling(data: bytes) -> bytes:
    """Returns a JPEG with long runs of the byte 0xFF shortened, which changes no pixel.

    Any number of them may stand before a marker. Pillow hands a decoder 64 kB at a time, and
    with them again all before that it has not used; a decoder uses none of a run before its end,
    so that 32 MB of it take ten seconds.
    """
    half = MAX_JUNK // 2
    if b"\xff\xff" not in data[::half]:  # of any run of that length, two of these bytes
        return data
    return _FILLING.sub(b"\xff", data)


def _read_segments(data: bytes) -> tuple[list[_Segment], int]:
    """Segments that cost more than their bytes, and where the length of the first SOS stands.

    They are walked as Pillow does it, to the first scan; 0 is told where there is none. As every
    JPEG comes this way, usual markers are told apart here and all others in `_next_marker`.
    """
    at, junk, count, last = 2, 0, 0, len(data) - 4
    segments: list[_Segment] = []
    while at <= last:
        marker = data[at + 1]
        if data[at] == 0xFF and marker in _USUAL:
            at += 2
        else:
            marker, at, odd = _next_marker(data, at)
            junk += odd
            if junk > MAX_JUNK:
                raise ImageError(f"the JPEG has more than {MAX_JUNK:,} bytes between its segments")
            if marker in _BARE:
                continue
            if marker < 0xC0 or at > last + 2:
                break
        if marker == _SOS:
            return segments, at
        end = at + max(data[at] << 8 | data[at + 1], 2)
        count += 1
        if count > MAX_SEGMENTS:
            raise ImageError(f"the JPEG has more than {MAX_SEGMENTS:,} segments before its pixels")
        if marker in _COSTLY:
            segments.append((marker, at + 2, end))
        at = end
    return segments, 0


def _next_marker(data: bytes, at: int) -> tuple[int, int, int]:
    """The next marker, -1 at the end; where its length stands; bytes before it that are none."""
    start = data.find(b"\xff", at)
    if start < 0:
        return -1, len(data), max(len(data) - at, 0)
    end = start + 1
    while data[end : end + 1] == b"\xff" and end - at <= MAX_JUNK:
        end += 1
    if end >= len(data):
        return -1, len(data), end - at
    junk = end - at - 1 + (2 if data[end] in _BARE else 0)
    return data[end], end + 1, junk


def _check_segments(data: bytes, segments: list[_Segment]) -> tuple[int, int]:
    """Bound what Pillow reads of them; the marker of the frame header, and its content."""
    frame = (0, 0)
    frames = tables = applications = 0
    for marker, start, end in segments:
        if marker == _DQT:
            tables += end - start
        elif marker in _FRAMES:
            frames, frame = frames + 1, (marker, start)
        else:
            applications += 1
    if frames > 1:
        raise ImageError(f"the JPEG has {frames:,} frame headers")
    if tables > MAX_TABLES:
        raise ImageError(f"the JPEG has {tables:,} bytes of quantization tables")
    if applications:
        _check_applications(data, segments)
    return frame


def _check_applications(data: bytes, segments: list[_Segment]) -> None:
    """Bound EXIF and Photoshop resources."""
    exif = [
        data[start + 6 : end]
        for marker, start, end in segments
        if marker == _APP1 and data.startswith(b"Exif\0\0", start)
    ]
    if len(exif) > MAX_EXIF_SEGMENTS:
        raise ImageError(f"the EXIF of the JPEG is in {len(exif):,} segments")
    if exif:
        tiff.check_exif(b"".join(exif))
    resources = sum(
        data.count(b"8BIM", start, end) for marker, start, end in segments if marker == _APP13
    )
    if resources > MAX_RESOURCES:
        raise ImageError(f"the JPEG has {resources:,} Photoshop resources")


def _check_scans(data: bytes, at: int) -> None:
    """Bound the passes over the coefficients of each component, from the first scan on."""
    first: dict[int, int] = {}
    refining: dict[int, int] = {}
    scans = others = 0
    for place in _markers(data, at):
        marker = data[place + 1]
        if place < at or marker in (0x01, 0xD8):  # within a segment, or without content
            continue
        if marker == _EOI:
            return
        length = max(unpack_from(">H", data, place + 2)[0], 2)
        at = place + 2 + length
        if marker == _SOS:
            scans += 1
            _count_passes(data[place + 2 : at], first, refining)
        else:
            others += 1
        if scans > MAX_SCANS:
            raise ImageError(f"the JPEG has more than {MAX_SCANS} scans")
        if others > MAX_SEGMENTS:
            raise ImageError(f"the JPEG has more than {MAX_SEGMENTS:,} segments between its scans")


def _markers(data: bytes, at: int) -> Iterator[int]:
    """Where markers may stand: 0xFF and a byte that is no stuffing, restart or filling."""
    for start in range(at, len(data) - 1, _STRIDE):
        values = np.frombuffer(data, np.uint8, min(_STRIDE + 1, len(data) - start), start)
        places = np.flatnonzero(values[:-1] == 0xFF)
        kinds = values[places + 1]
        real = (kinds != 0) & (kinds != 0xFF) & ((kinds < 0xD0) | (kinds > 0xD7))
        yield from (places[real] + start).tolist()


def _count_passes(scan: bytes, first: dict[int, int], refining: dict[int, int]) -> None:
    """Add the coefficients that a scan goes over to those of the components that it names."""
    start, end, bits = scan[-3:]
    passes, most = (refining, MAX_REFINING) if bits >> 4 else (first, MAX_FIRST)
    for name in scan[3 : 3 + 2 * scan[2] : 2]:
        passes[name] = passes.get(name, 0) + max(min(end, 63) - start + 1, 0)
        if passes[name] > most:
            raise ImageError("the scans of the JPEG go over the same pixels again and again")
