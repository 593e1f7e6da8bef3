"""Files that Pillow does not write: TIFFs of any layout, PNGs of any depth, profiles."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 12: "d", 16: "Q"}


def ramp(height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """RGB, smooth, without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = (x * 255 / max(width - 1, 1), y * 255 / max(height - 1, 1), 40 + (x + y) % 9)
    return np.stack(planes, axis=-1).astype(np.uint8)


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    """An image as Pillow writes it, without loss where the format can."""
    if kind == "WEBP":
        how.setdefault("lossless", True)
    file = BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def png(
    colour_type: int,
    depth: int,
    values: NDArray[Any],
    *chunks: tuple[bytes, bytes],
    after: tuple[tuple[bytes, bytes], ...] = (),
) -> bytes:
    """A PNG of samples, shape (h, w) or (h, w, channels), of 8 or 16 bits."""
    height, width = values.shape[:2]
    rows = values.astype(">u2" if depth == 16 else "u1").reshape(height, -1)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(name: bytes, body: bytes, *, right: bool = True) -> bytes:
    """A chunk of a PNG, with a checksum that is right or wrong."""
    sum_ = zlib.crc32(name + body) ^ (0 if right else 1)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", sum_)


def tiff(
    values: NDArray[Any],
    *more: tuple[int, int, Any],
    photometric: int = 2,
    extra: tuple[int, ...] = (),
    order: str = "<",
    deflate: bool = False,
    predictor: int = 1,
    planar: bool = False,
    tile: int = 0,
    rows: int = 0,
    big: bool = False,
) -> bytes:
    """A TIFF of samples, shape (h, w, channels).

    Each of `more` is a tag, its type, and its values.
    """
    height, width, channels = values.shape
    kind = values.dtype.newbyteorder(order)
    code = {"u": 1, "i": 2, "f": 3}[kind.kind]
    planes = [values[..., [c]] for c in range(channels)] if planar else [values]
    parts = []
    for plane in planes:
        if tile:
            down, across = -height % tile, -width % tile
            padded = np.pad(plane, ((0, down), (0, across), (0, 0)))
            parts += [
                padded[y : y + tile, x : x + tile]
                for y in range(0, height, tile)
                for x in range(0, width, tile)
            ]
        else:
            step = rows or height
            parts += [plane[y : y + step] for y in range(0, height, step)]
    packed = [_packed(np.ascontiguousarray(part), kind, predictor, deflate) for part in parts]
    start = 16 if big else 8
    places = [start + sum(map(len, packed[:n])) for n in range(len(packed))]
    sizes = list(map(len, packed))
    tags: list[tuple[int, int, Any]] = [
        (256, 4, [width]),
        (257, 4, [height]),
        (258, 3, [kind.itemsize * 8] * channels),
        (259, 3, [8 if deflate else 1]),
        (262, 3, [photometric]),
        (277, 3, [channels]),
        (284, 3, [2 if planar else 1]),
        (317, 3, [predictor]),
        (339, 3, [code] * channels),
        *more,
    ]
    tags += [(338, 3, list(extra))] if extra else []
    if tile:
        tags += [(322, 4, [tile]), (323, 4, [tile]), (324, 4, places), (325, 4, sizes)]
    else:
        tags += [(273, 4, places), (278, 4, [rows or height]), (279, 4, sizes)]
    body = b"".join(packed)
    at = start + len(body)
    directory = _directory(sorted(tags, key=lambda tag: tag[0]), at, order, big)
    head = (b"II" if order == "<" else b"MM") + (
        struct.pack(f"{order}HHHQ", 43, 8, 0, at) if big else struct.pack(f"{order}HI", 42, at)
    )
    return head + body + directory


def _packed(part: NDArray[Any], kind: np.dtype[Any], predictor: int, deflate: bool) -> bytes:
    if predictor == 2:
        whole = part.view(f"u{part.dtype.itemsize}")
        steps = whole.copy()
        steps[:, 1:] -= whole[:, :-1]
        body = steps.astype(steps.dtype.newbyteorder(kind.byteorder)).tobytes()
    elif predictor == 3:
        count, wide, channels = part.shape
        heavy = part.astype(part.dtype.newbyteorder(">")).view("u1")
        heavy = heavy.reshape(count, wide * channels, kind.itemsize)
        by_weight = heavy.transpose(0, 2, 1).reshape(count, -1)
        steps = by_weight.copy()
        steps[:, channels:] -= by_weight[:, :-channels]
        body = steps.tobytes()
    else:
        body = part.astype(kind).tobytes()
    return zlib.compress(body) if deflate else body


def _directory(tags: list[tuple[int, int, Any]], at: int, order: str, big: bool) -> bytes:
    table, values = b"", b""
    inline, width = (8, 20) if big else (4, 12)
    beyond = at + (8 if big else 2) + width * len(tags) + inline
    for tag, kind, what in tags:
        form = _TYPES[kind]
        packed = (
            bytes(what)
            if isinstance(what, bytes)
            else struct.pack(f"{order}{len(what)}{form}", *what)
        )
        table += struct.pack(f"{order}HH{'Q' if big else 'I'}", tag, kind, len(what))
        if len(packed) <= inline:
            table += packed.ljust(inline, b"\0")
        else:
            table += struct.pack(f"{order}{'Q' if big else 'I'}", beyond + len(values))
            values += packed
    head = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    return head + table + bytes(inline) + values


def profile(
    red: tuple[float, float, float],
    green: tuple[float, float, float],
    blue: tuple[float, float, float],
    gamma: float,
) -> bytes:
    """An ICC profile of a display: its colorants in XYZ of D50, and one gamma."""

    def xyz(values: tuple[float, float, float]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    white = (0.9642, 1.0, 0.8249)
    tags = [(b"wtpt", xyz(white)), (b"rXYZ", xyz(red)), (b"gXYZ", xyz(green)), (b"bXYZ", xyz(blue))]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in white))
    whole = head.ljust(128, b"\0") + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


# Colorants adapted to D50, and gamma, as the published profiles have them.
COLORANTS = {
    "P3": (((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)), 2.2),
    "Adobe": (((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)), 2.2),
    "ProPhoto": (((0.7977, 0.2880, 0.0), (0.1352, 0.7119, 0.0), (0.0313, 0.0001, 0.8249)), 1.8),
}
DISPLAY_P3, ADOBE_RGB, PROPHOTO = (profile(*rgb, gamma) for rgb, gamma in COLORANTS.values())
