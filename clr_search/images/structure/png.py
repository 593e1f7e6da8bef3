"""PNG: numbers of chunks, and sizes of those that are no pixels.

Pillow reads chunk after chunk in Python, so that millions of empty ones take seconds, and unpacks
compressed texts of up to a megabyte each.
"""

from __future__ import annotations

import zlib
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
_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}
_EXIF_TEXT = b"Raw profile type exif\0"
_SMALL = {b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"acTL", b"fcTL", b"bKGD"}
_PIXELS = {b"IDAT", b"DDAT", b"fdAT"}
_CHUNK = Struct(">I4s")

_Chunk = tuple[bytes, int, int]
"""Name, start and end."""


def check(data: bytes) -> Frame | None:
    """Refuse a PNG with too many chunks, or too much text; see `structure.check`."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height = unpack_from(">II", data, 16)
    _check_texts(data, _read_chunks(data))
    return Frame(width, height)


def _read_chunks(data: bytes) -> list[_Chunk]:
    """Walk the chunks that Pillow reads, of a film those of its first frame; the texts of them."""
    most_pixels = MAX_CHUNKS + len(data) // CHUNK_BYTES
    at, others, pixels, frames = 8, 0, 0, 0
    texts: list[_Chunk] = []
    while at + 8 <= len(data):
        length, name = _CHUNK.unpack_from(data, at)
        at += 8
        if name in _PIXELS:
            pixels += 1
        else:
            others += 1
            _check_size(data, at, length, name)
            if name == b"acTL" and length >= 8:
                frames = 0 if frames else unpack_from(">I", data, at)[0]
            if name in _TEXTS:
                texts.append((name, at, at + length))
            if name == b"IEND" or not name.isalpha() or (name == b"fcTL" and frames > 1 and pixels):
                break
        if others > MAX_CHUNKS or pixels > most_pixels:
            raise ImageError(f"the PNG has more than {MAX_CHUNKS:,} chunks for its size")
        at += length + 4
    return texts


def frames(data: bytes) -> int:
    """Returns the number of frames of a film, up to the first that a reader should not go on to.

    Such a one reaches beyond the picture, has texts before it, or comes after too many chunks. A
    picture that is no film has 1.
    """
    width, height = unpack_from(">II", data, 16)
    at, chunks, count = 8, 0, 0
    while at + 8 <= len(data) and chunks < MAX_CHUNKS:
        length, name = _CHUNK.unpack_from(data, at)
        chunks += 1
        if name == b"IEND" or (count and name in _TEXTS):
            break
        if name == b"fcTL":
            if length != 26 or at + 8 + length > len(data):
                break
            wide, high, left, top = unpack_from(">4I", data, at + 12)
            if left + wide > width or top + high > height:
                break
            count += 1
        at += length + 12
    return max(count, 1)


def _check_size(data: bytes, at: int, length: int, name: bytes) -> None:
    if name in _SMALL and length > MAX_SMALL:
        raise ImageError(f"the {name.decode('ascii')} chunk of the PNG has {length:,} bytes")
    if name == b"eXIf":
        tiff.check_exif(data[at : at + length])


def _check_texts(data: bytes, texts: list[_Chunk]) -> None:
    """Bound the texts and the profile: by what they could be, else by what they are."""
    most = 0
    for name, start, end in texts:
        most += end - start if name == b"tEXt" else max(end - start, _PACKED)
    exact = most > MAX_TEXT
    total = 0
    for name, start, end in texts:
        profile = data.startswith(_EXIF_TEXT, start)
        if exact or profile:
            try:
                text = _unpacked(name, data[start:end])
            except zlib.error:  # at the end, perhaps, of all that is unpacked of a text
                text, total = b"", total + _PACKED
            total += max(len(text), min(end, len(data)) - start)
            if profile:
                _check_exif_text(text)
        if total > MAX_TEXT:
            raise ImageError(f"the texts of the PNG are larger than {MAX_TEXT:,} bytes")


def _unpacked(name: bytes, body: bytes) -> bytes:
    """The text of a chunk, or the profile, of which Pillow unpacks no more than a megabyte."""
    _, _, text = body.partition(b"\0")
    packed = name != b"tEXt"
    if name == b"iTXt":
        packed = text[:1] != b"\0"
        text = text[2:].split(b"\0", 2)[-1]
    elif packed:
        text = text[1:]
    return zlib.decompressobj().decompress(text, _PACKED) if packed else text


def _check_exif_text(text: bytes) -> None:
    """EXIF as ImageMagick writes it: hexadecimal, after three lines."""
    try:
        block = bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("latin-1"))
    except ValueError:
        return
    tiff.check_exif(block)
