"""The EXIF of a picture file: when, by what camera and where it was taken.

Only the directories that hold these values are read, by seeking, and of each value no more than it
may have; so a file costs the same whatever it claims. What is broken, or out of range, is as if it
were not there, since no picture is worth losing for it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from struct import error, unpack, unpack_from

from clr_search.images.metadata.blocks import Read, exif_block

MAX_ENTRIES = 4096
"""Entries of a directory that are looked at."""

MAX_TEXT = 100
"""Characters of the name of a camera."""

_CAMERA, _EXIF, _GPS, _TAKEN, _DIGITIZED = 272, 34665, 34853, 36867, 36868
_WANTED = {_CAMERA, _EXIF, _GPS, _TAKEN, _DIGITIZED, 1, 2, 3, 4}
_TEXT, _LONG, _RATIONAL = 2, 4, 5
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")

_Entries = dict[int, tuple[int, bytes]]
"""Kind and bytes of the values of a directory, by their tags."""


@dataclass(frozen=True, slots=True)
class Exif:
    """What a camera wrote into a picture file; each is None where it is not told.

    Attributes
    ----------
    taken : datetime or None
        When it was taken, by the clock of the camera, without time zone.
    camera : str or None
        Model of the camera, printable, at most `MAX_TEXT` characters.
    latitude, longitude : float or None
        Where it was taken, in degrees: north and east are positive. Both are given, or neither.
    """

    taken: datetime | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None


NONE = Exif()
"""A picture of which nothing is told."""


def read_exif(path: Path) -> Exif:
    """Return what the EXIF of a picture file tells; `NONE` where it has none, or a broken one.

    JPEG, PNG, WebP, TIFF, HEIC and AVIF are read.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    ::

        taken = read_exif(Path("photo.jpg")).taken
    """
    with path.open("rb") as file:

        def read(at: int, count: int) -> bytes:
            file.seek(at)
            data: bytes = file.read(count)
            return data

        return _told(read)


def exif_of(data: bytes) -> Exif:
    """Return what the EXIF of the bytes of a picture file tells, as `read_exif` of a file.

    Examples
    --------
    >>> exif_of(b"no picture") == NONE
    True
    """
    return _told(lambda at, count: data[at : at + count])


def _told(read: Read) -> Exif:
    """Return what the EXIF of a file tells, of which `read` gives the bytes from a place on."""
    try:
        block = exif_block(read)
        return NONE if block is None else _parsed(block)
    except (error, ValueError, OverflowError, IndexError):  # cut off, or offsets beyond reason
        return NONE


def _parsed(read: Read) -> Exif:
    """Return what a block of EXIF tells."""
    head = read(0, 8)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return NONE
    main = _directory(read, order, unpack_from(order + "I", head, 4)[0])
    detail = _inner(read, order, main, _EXIF)
    latitude, longitude = _place(order, _inner(read, order, main, _GPS))
    taken = _date(detail.get(_TAKEN)) or _date(detail.get(_DIGITIZED))
    return Exif(taken, _name(main.get(_CAMERA)), latitude, longitude)


def _directory(read: Read, order: str, at: int) -> _Entries:
    """Return the wanted entries of a directory, of each at most `MAX_TEXT` bytes."""
    if not at:
        return {}
    (count,) = unpack(order + "H", read(at, 2))
    rows = read(at + 2, 12 * min(count, MAX_ENTRIES))
    found: _Entries = {}
    for start in range(0, len(rows) - 11, 12):
        tag, kind, values = unpack_from(order + "HHI", rows, start)
        if tag not in _WANTED or tag in found:
            continue
        size = values * _SIZES.get(kind, 0)
        value = rows[start + 8 : start + 12]
        if size > 4:
            value = read(unpack(order + "I", value)[0], min(size, MAX_TEXT))
        found[tag] = kind, value[:size]
    return found


def _inner(read: Read, order: str, entries: _Entries, tag: int) -> _Entries:
    """Return the directory that an entry points to; none where it does not."""
    kind, value = entries.get(tag, (0, b""))
    if kind not in (_LONG, 13) or len(value) < 4:
        return {}
    return _directory(read, order, unpack_from(order + "I", value)[0])


def _string(entry: tuple[int, bytes] | None) -> str:
    """Return the printable text of an entry, up to its end."""
    kind, value = entry or (0, b"")
    if kind not in (_TEXT, 7):
        return ""
    data = value.split(b"\0")[0]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _name(entry: tuple[int, bytes] | None) -> str | None:
    """Return the name of a camera; None where there is none."""
    return _string(entry)[:MAX_TEXT] or None


def _date(entry: tuple[int, bytes] | None) -> datetime | None:
    """Return a date of EXIF, as 2024:05:01 12:30:00; None where it is none."""
    found = _DATE.match(_string(entry))
    if found is None:
        return None
    try:
        return datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None


def _place(order: str, entries: _Entries) -> tuple[float | None, float | None]:
    """Return latitude and longitude in degrees; None for both where one is missing or wrong."""
    latitude = _degrees(order, entries, 1, 2, 90)
    longitude = _degrees(order, entries, 3, 4, 180)
    if latitude is None or longitude is None:
        return None, None
    return latitude, longitude


def _degrees(order: str, entries: _Entries, side: int, tag: int, most: int) -> float | None:
    """Return degrees, minutes and seconds as one number; south and west are negative."""
    kind, value = entries.get(tag, (0, b""))
    letter = _string(entries.get(side)).upper()[:1]
    if kind != _RATIONAL or len(value) < 24 or letter not in tuple("NSEW"):
        return None
    numbers = unpack_from(order + "6I", value)
    parts = [a / b if b else math.nan for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    if numbers[4:] == (0, 0):  # cameras that tell fractions of minutes leave out the seconds
        parts[2] = 0.0
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    if not 0 <= degrees <= most:
        return None
    return round(-degrees if letter in "SW" else degrees, 7)
