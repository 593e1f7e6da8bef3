"""Small picture files that would cost much: what `clr_search.images.structure` is there to refuse.

Each is a way in which a few kilobytes ask a decoder for gigabytes or minutes. `bench.fuzz` sends
variants of all of them, and `tests/images/test_structure_*.py` checks each by its name.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from PIL import Image

SIDE = 8


def saved(kind: str, size: tuple[int, int] = (SIDE, SIDE), mode: str = "RGB", **how: Any) -> bytes:
    """A good picture of one colour."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind, **how)
    return file.getvalue()


# JPEG


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def jpeg_with(*parts: bytes) -> bytes:
    """A good JPEG with more before its first segment."""
    return b"\xff\xd8" + b"".join(parts) + saved("JPEG")[2:]


def jpeg_scans(side: int, count: int, *, refining: bool, band: int = 63) -> bytes:
    """A grey progressive JPEG without contents, whose last scan comes again and again."""
    blocks = ((side + 7) // 8) ** 2
    head = segment(0xDB, b"\0" + b"\1" * 64)
    head += segment(0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\1\x11\0")
    # One code of one bit in either table: a difference of zero, and a run of 16,384 empty blocks.
    head += segment(0xC4, b"\0\1" + bytes(15) + b"\0") + segment(
        0xC4, b"\x10\1" + bytes(15) + b"\xe0"
    )
    runs = "0" + "0" * 14
    bits = runs * -(-blocks // 16384)
    empty = int(bits.ljust(-(-len(bits) // 8) * 8, "1"), 2).to_bytes(-(-len(bits) // 8), "big")
    again = segment(0xDA, bytes((1, 1, 0, 1, band, 0x10 if refining else 1))) + empty
    first = segment(0xDA, b"\1\1\0\0\0\0") + bytes((blocks + 7) // 8)
    begun = segment(0xDA, b"\1\1\0\1\x3f\1") + empty
    return b"\xff\xd8" + head + first + begun + again * count + b"\xff\xd9"


# TIFF and EXIF

Row = tuple[int, int, int, int]
"""Tag, type, number of values, and their offset, or the value itself."""


def directory(rows: Iterable[Row], at: int = 8, following: int = 0) -> bytes:
    """A directory of a little-endian TIFF."""
    rows = sorted(rows)
    body = b"".join(struct.pack("<HHII", *row) for row in rows)
    return struct.pack("<H", len(rows)) + body + struct.pack("<I", following)


def tiff(rows: Iterable[Row], values: bytes = b"") -> bytes:
    """A TIFF, or a block of EXIF: the values begin at byte 8."""
    return b"II*\0" + struct.pack("<I", 8 + len(values)) + values + directory(rows)


def overlapping(count: int, size: int) -> bytes:
    """Tags that all name the same bytes."""
    return tiff([(40000 + n, 1, size, 8) for n in range(count)], bytes(size))


def tiff_grey(width: int, height: int, rows: Iterable[Row] = (), values: bytes = b"") -> bytes:
    """A grey TIFF of one strip, in which `rows` replace and add tags."""
    values = values or bytes(max(width * height, 8))
    usual = {
        256: (4, 1, width),
        257: (4, 1, height),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
    }
    usual |= {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, width * height)}
    usual |= {tag: rest for tag, *rest in rows}  # type: ignore[misc]
    return tiff([(tag, *rest) for tag, rest in usual.items()], values)


# PNG, GIF, BMP, WebP


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(*chunks: bytes, pixels: Iterable[bytes] | None = None) -> bytes:
    """A PNG with more before its pixels, or with other pixels."""
    rows = zlib.compress((b"\0" + bytes(3 * SIDE)) * SIDE)
    body = b"".join(pixels) if pixels is not None else chunk(b"IDAT", rows)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND")


def packed_text(name: bytes, size: int) -> bytes:
    """A compressed text."""
    head = b"k\0\0" if name == b"zTXt" else b"k\0\1\0\0\0"
    return chunk(name, head + zlib.compress(bytes(size), 9))


def png_exif_text(size: int) -> bytes:
    """A PNG whose EXIF is a compressed text in hexadecimal, as ImageMagick writes it."""
    text = b"\nexif\n%d\n" % size + overlapping(2000, size).hex().encode()
    return png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text, 9)))


def png_film(width: int, height: int) -> bytes:
    """A film that clears its frame, of a size for which there are no pixels."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    frame = struct.pack(">5IHHBB", 0, width, height, 0, 0, 1, 1, 1, 0)
    parts = head + chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", frame)
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND")


def gif_with(body: bytes) -> bytes:
    """A GIF with more before its first frame."""
    good = saved("GIF", mode="L")
    at = 13 + (6 << (good[10] & 7) if good[10] & 0x80 else 0)
    return good[:at] + body + good[at:]


def gif_thin(count: int) -> bytes:
    """A GIF of one colour, behind whose pixels as many blocks of a byte follow."""
    good = saved("GIF", mode="L")
    at = good.rindex(b"\0;")
    return good[:at] + b"\1a" * count + good[at:]


def bmp_runs(width: int, height: int, runs: bytes, bits: int = 8) -> bytes:
    """A run-length encoded BMP."""
    palette = b"".join(bytes((n, n, 255 - n, 0)) for n in range(1 << bits))
    head = struct.pack("<IHHI", 54 + len(palette) + len(runs), 0, 0, 54 + len(palette))
    sizes = (40, width, height, 1, bits, 1 if bits == 8 else 2, len(runs), 0, 0, 0, 0)
    return b"BM" + head + struct.pack("<IiiHHIIiiII", *sizes) + palette + runs


def webp_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP with more behind its pixels."""
    pixels = saved("WEBP", lossless=True)[12:]
    side = (SIDE - 1).to_bytes(3, "little")
    parts = [(b"VP8X", b"\x08\0\0\0" + side + side), *chunks]
    bodies = [
        name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in parts
    ]
    body = b"WEBP" + bodies[0] + pixels + b"".join(bodies[1:])
    return b"RIFF" + struct.pack("<I", len(body)) + body


# AVIF and HEIC


def box(name: bytes, *parts: bytes) -> bytes:
    """A box of an ISO container."""
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + name + body


def container(
    kinds: dict[int, bytes],
    sizes: dict[int, tuple[int, int]],
    references: Iterable[tuple[bytes, int, list[int]]],
    size: int,
) -> bytes:
    """A HEIC whose items all have the same `size` bytes; item 1 is the picture."""
    names = [
        box(b"infe", b"\2\0\0\0", struct.pack(">HH", n, 0), kind, b"\0")
        for n, kind in kinds.items()
    ]
    shapes = [box(b"ispe", bytes(4), struct.pack(">II", *shape)) for shape in sizes.values()]
    owners = [struct.pack(">HBB", n, 1, place) for place, n in enumerate(sizes, 1)]
    links = [
        box(kind, struct.pack(f">HH{len(to)}H", source, len(to), *to))
        for kind, source, to in references
    ]
    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    places = [struct.pack(">HHHII", n, 0, 1, len(head) + 8, size) for n in kinds]
    meta = box(
        b"meta",
        bytes(4),
        box(b"pitm", bytes(4), struct.pack(">H", 1)),
        box(b"iinf", bytes(4), struct.pack(">H", len(kinds)), *names),
        box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(kinds)), *places),
        box(b"iref", bytes(4), *links),
        box(
            b"iprp",
            box(b"ipco", *shapes),
            box(b"ipma", bytes(4), struct.pack(">I", len(owners)), *owners),
        ),
    )
    return head + box(b"mdat", bytes(size)) + meta


def overlays(count: int, side: int) -> bytes:
    """A small picture made of the same large one, many times."""
    links = [(b"dimg", 1, [2] * count)]
    return container({1: b"iovl", 2: b"hvc1"}, {1: (SIDE, SIDE), 2: (side, side)}, links, 64)


def described(count: int, size: int) -> bytes:
    """Pictures that each have all metadata, which are all the same bytes."""
    metadata = range(1 + count, 1 + 2 * count)
    kinds = {1 + n: b"hvc1" for n in range(count)} | dict.fromkeys(metadata, b"mime")
    links = [(b"cdsc", n, list(range(1, 1 + count))) for n in metadata]
    return container(kinds, dict.fromkeys(range(1, 1 + count), (SIDE, SIDE)), links, size)


def avif_of(shape: tuple[int, int], told: tuple[int, int]) -> bytes:
    """An AVIF whose container tells another size than its bit stream."""
    data = bytearray(saved("AVIF", shape, quality=30, speed=10))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", *told)
    return bytes(data)


def _exif(data: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + data)


COSTLY: dict[str, Callable[[random.Random], bytes]] = {
    "jpeg-scans": lambda r: jpeg_scans(
        r.choice([800, 3000]), r.randrange(200, 2000), refining=False
    ),
    "jpeg-refining": lambda r: jpeg_scans(3000, r.randrange(40, 90), refining=True),
    "jpeg-narrow-scans": lambda r: jpeg_scans(800, r.randrange(120, 900), refining=True, band=2),
    "jpeg-comments": lambda r: jpeg_with(segment(0xFE, bytes(r.randrange(4))) * 200_000),
    "jpeg-junk": lambda r: jpeg_with(
        segment(0xFE, b""), r.choice([b"\xff", b"\0", b"\xff\0", b"\xff\xf3"]) * 1_000_000
    ),
    "jpeg-tables": lambda r: jpeg_with(
        segment(0xDB, (b"\0" + b"\1" * 64) * 1000) * r.randrange(9, 90)
    ),
    "jpeg-resources": lambda r: jpeg_with(
        segment(0xED, b"Photoshop 3.0\0" + (b"8BIM\4\4" + bytes(6)) * 5000) * r.randrange(9, 90)
    ),
    "jpeg-exif-parts": lambda r: jpeg_with(_exif(bytes(65000)) * r.randrange(80, 200)),
    "jpeg-exif-overlaps": lambda r: jpeg_with(_exif(overlapping(r.randrange(100, 900), 50_000))),
    "jpeg-exif-numbers": lambda r: jpeg_with(
        *[_exif(part) for part in _parts(tiff([(274, 4, 500_000, 8)], bytes(2_000_000)))]
    ),
    "jpeg-frames": lambda r: jpeg_with(
        segment(0xC0, bytes(6) + bytes(60_000)) * r.randrange(9, 90)
    ),
    "png-chunks": lambda r: png_with(chunk(r.choice([b"prVa", b"teXt", b"abCd"])) * 100_000),
    "png-pixel-chunks": lambda r: png_with(pixels=[chunk(b"IDAT")] * r.randrange(50_000, 99_000)),
    "png-exif-overlaps": lambda r: png_with(
        chunk(b"eXIf", overlapping(2000, r.randrange(2**19, 2**20)))
    ),
    "png-exif-text": lambda r: png_exif_text(r.randrange(200_000, 400_000)),
    "png-small-chunks": lambda r: png_with(chunk(r.choice([b"cHRM", b"tRNS"]), bytes(2**22))),
    "png-film": lambda r: png_film(r.randrange(30_000, 60_000), 60_000),
    "gif-comments": lambda r: gif_with(b"!\xfe" + b"\1a" * r.randrange(100_000, 300_000) + b"\0"),
    "gif-many-comments": lambda r: gif_with(b"!\xfe\1a\0" * r.randrange(100_000, 300_000)),
    "gif-empty-blocks": lambda r: gif_with(
        r.choice([b"!\xfe\0", b"!\xff\0", b"!\0\0"]) * 1_000_000
    ),
    "gif-extensions": lambda r: gif_with(b"!\xff" + b"\1a" * r.randrange(400_000, 900_000) + b"\0"),
    "gif-junk": lambda r: gif_with(b"a" * r.randrange(1_000_000, 9_000_000)),
    "gif-nothing-but-junk": lambda r: gif_with(b"")[:13] + b"a" * r.randrange(4_000_000, 9_000_000),
    "tiff-overlaps": lambda r: tiff_grey(
        SIDE, SIDE, [(40000 + n, 1, 2**20, 8) for n in range(2000)], bytes(2**20)
    ),
    "tiff-tags": lambda r: tiff_grey(SIDE, SIDE, [(1000 + n, 1, 1, 0) for n in range(50_000)]),
    "tiff-numbers": lambda r: tiff_grey(
        SIDE,
        SIDE,
        [(r.choice([258, 274, 282, 339]), r.choice([3, 4, 5]), 500_000, 8)],
        bytes(2**22),
    ),
    "tiff-tile": lambda r: tiff_grey(
        SIDE,
        SIDE,
        [(259, 3, 1, r.choice([5, 8])), (322, 4, 1, 20_000), (323, 4, 1, 20_000), (324, 4, 1, 8)],
    ),
    "tiff-strips": lambda r: tiff_grey(SIDE, SIDE, [(273, 4, 500_000, 8)], bytes(2**21)),
    "tiff-parts": lambda r: tiff_grey(
        1, 90_000, [(273, 4, 90_000, 8), (278, 4, 1, 1)], bytes(2**19)
    ),
    "tiff-strips-overlap": lambda r: tiff_grey(
        SIDE,
        9000,
        [(259, 3, 1, 5), (278, 4, 1, 1), (273, 4, 9000, 8), (279, 4, 9000, 8)],
        b"\xff\xff\1\0" * 250_000,
    ),
    "webp-chunks": lambda r: webp_with(*[(b"abcd", b"")] * r.randrange(100_000, 200_000)),
    "webp-exif-overlaps": lambda r: webp_with(
        (b"EXIF", overlapping(2000, r.randrange(2**19, 2**20)))
    ),
    "bmp-steps": lambda r: bmp_runs(
        9, 9, r.choice([b"\xff\0", b"\1\1"]) * 9 + b"\xff\0" * 3_000_000
    ),
    "iso-overlays": lambda r: overlays(r.randrange(100, 9000), 6000),
    "iso-metadata": lambda r: described(r.randrange(100, 200), 2**20),
    "avif-size": lambda r: avif_of((r.randrange(2000, 4000), 3000), (SIDE, SIDE)),
}
"""Files that must be refused, by what they do; the generator chooses among variants."""

BOUNDED: dict[str, Callable[[random.Random], bytes]] = {
    "jpeg-filling": lambda r: (
        saved("JPEG")[:-2] + b"\xff" * r.randrange(2**24, 2**25) + b"\xff\xd9"
    ),
    "gif-thin-blocks": lambda r: gif_thin(r.randrange(1_000_000, 4_000_000)),
    "bmp-delta": lambda r: bmp_runs(r.randrange(500_000, 4_000_000), 1, b"\0\2\xff\xff\0\1"),
    "bmp-rows": lambda r: bmp_runs(1_000_000, 3, b"\1\1\0\0" * 3 + b"\0\1", r.choice([4, 8])),
    "bmp-escapes": lambda r: bmp_runs(SIDE, SIDE, b"\0\2\xff\xff" * 1000 + b"\0\1"),
    "png-packed-texts": lambda r: png_with(packed_text(r.choice([b"zTXt", b"iTXt"]), 2**20) * 60),
    "png-texts": lambda r: png_with(chunk(b"tEXt", b"k\0" + bytes(2**20)) * r.randrange(9, 30)),
    "gif-frames": lambda r: saved(
        "GIF", save_all=True, append_images=[Image.new("L", (SIDE, SIDE), n) for n in range(200)]
    ),
}
"""Files that may be read, at the cost of their pixels."""


def _parts(data: bytes) -> list[bytes]:
    return [data[at : at + 65_000] for at in range(0, len(data), 65_000)]
