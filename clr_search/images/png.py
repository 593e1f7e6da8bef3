"""PNG beyond Pillow: chunks that are no reason to refuse a picture, and samples of 16 bits.

Pillow refuses a file for a comment with a wrong checksum, for a text or a profile that unpacks to
more than a megabyte, and keeps the upper 8 of 16 bits of colours.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.images.colour.depth import Samples, scaled
from clr_search.images.colour.profiles import MAX_PROFILE
from clr_search.images.geometry import cropped

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MAX_OTHERS = 4096
"""Chunks beside those of pixels that are looked at; a file with more is refused afterwards."""

_CHUNK = Struct(">I4s")
_PIXELS = {b"IDAT", b"fdAT", b"DDAT"}
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_EXIF_TEXT = b"Raw profile type exif\0"
_MOST_TEXT = 2**20  # bytes that Pillow unpacks of a text


class Read(NamedTuple):
    """A PNG as Pillow can read it, and what was taken out of it.

    Attributes
    ----------
    data : bytes
        The file without texts, profile, and ancillary chunks with a wrong checksum.
    profile : bytes or None
        The ICC profile.
    bits : int or None
        The number of significant bits of a sample, if the file tells it.
    """

    data: bytes
    profile: bytes | None
    bits: int | None


def mended(data: bytes) -> Read:
    """Takes out of a PNG what Pillow would refuse it for.

    Parameters
    ----------
    data : bytes
        Content of the file. What is broken in another way stays.

    Returns
    -------
    Read
        The file; its data are those that were given where nothing had to be taken out.
    """
    kept: list[tuple[int, int]] = [(0, 8)]
    profile, bits = None, None
    at = 8
    for name, start, end in _chunks(data):
        at = end
        keep = True
        if name[:1].islower() and name not in _PIXELS:
            body = memoryview(data)[start + 8 : end - 4]
            keep = zlib.crc32(body, zlib.crc32(name)) == int.from_bytes(data[end - 4 : end])
            if keep and name == b"sBIT":
                bits = max(body, default=None)
            elif keep and name == b"iCCP":
                profile, keep = _profile(bytes(body)), False
            elif keep and name in _TEXTS:
                keep = not _spare(body)
        if keep and kept[-1][1] == start:
            kept[-1] = (kept[-1][0], end)
        elif keep:
            kept.append((start, end))
    if len(kept) == 1 and kept[0][1] == at:
        return Read(data, profile, bits)
    parts = [data[start:end] for start, end in kept]
    return Read(b"".join([*parts, data[at:]]), profile, bits)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Names, starts and ends of whole chunks, up to the last, or to one too many."""
    at, others, name = 8, 0, b""
    while at + 8 <= len(data) and others < MAX_OTHERS and name != b"IEND":
        length, name = _CHUNK.unpack_from(data, at)
        start, at = at, at + 12 + length
        if at > len(data) or not name.isalpha():
            return
        others += name not in _PIXELS
        yield name, start, at


def _profile(body: bytes) -> bytes | None:
    """The profile of an iCCP chunk, or None where it is broken or too large."""
    _, _, packed = body.partition(b"\0")
    try:
        unpacked = zlib.decompressobj().decompress(packed[1:], MAX_PROFILE + 1)
    except zlib.error:
        return None
    return unpacked if len(unpacked) <= MAX_PROFILE else None


def _spare(body: memoryview) -> bool:
    """Whether a text can be taken out; only EXIF, written as text, turns the picture."""
    if bytes(body[: len(_EXIF_TEXT)]) != _EXIF_TEXT:
        return True
    try:
        text = zlib.decompressobj().decompress(body[len(_EXIF_TEXT) + 1 :], _MOST_TEXT + 1)
    except zlib.error:
        return False
    return len(text) > _MOST_TEXT


def is_wide(data: bytes) -> bool:
    """Whether a PNG has samples of 16 bits."""
    return data[24:25] == b"\x10"


def load_wide(
    image: ImageFile.ImageFile, again: Callable[[], ImageFile.ImageFile], read: Read
) -> Image.Image:
    """Returns a PNG of 16 bits as an image of 8, loaded and scaled.

    Pillow has a decoder for the upper byte of each sample, and another one, meant for files of the
    other byte order, takes the lower byte. Grey with opacity is read as if it were four channels.

    Parameters
    ----------
    image : ImageFile
        The file, opened and not yet loaded.
    again : callable
        Opens the same file once more.
    read : Read
        What the file tells beside its pixels.
    """
    # Pillow opens grey with opacity in mode RGBA, which has as many bytes as that has of 16 bits.
    mode = {4: "LA", 6: "RGBA", 2: "RGB"}.get(read.data[25], "I;16")
    planes = [image]
    if mode == "LA":
        _load(image, "RGBA")
    elif mode != "I;16":
        planes.append(again())
        _load(planes[0], f"{mode};16B")
        _load(planes[1], f"{mode};16L")
    else:
        image.load()

    def rows(top: int, bottom: int) -> NDArray[Any]:
        part = (0, top, image.width, bottom)
        upper, lower = (np.asarray(cropped(plane, part)) for plane in (planes[0], planes[-1]))
        if mode == "LA":
            return upper.view(">u2").astype(np.uint16)
        if len(planes) == 1:
            return upper[..., None]
        joined: NDArray[np.uint16] = upper.astype(np.uint16) << 8 | lower
        return joined

    key = image.info.get("transparency")
    samples = Samples(
        *image.size,
        rows,
        colours=3 if mode in ("RGB", "RGBA") else 1,
        alpha={"LA": 1, "RGBA": 3}.get(mode),
        told=told_by(read.bits),
        key=(key,) if isinstance(key, int) else key,
    )
    shown = scaled(samples)
    shown.info = {name: what for name, what in image.info.items() if name != "transparency"}
    return shown


def _load(image: ImageFile.ImageFile, raw_mode: str) -> None:
    """Loads a PNG with another unpacker of its rows."""
    image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
    image.load()


def told_by(bits: int | None) -> tuple[float, float] | None:
    """Returns the range of samples with so many significant bits; None where that is all 16."""
    return (0.0, float(2**bits - 1)) if bits and 0 < bits < 16 else None
