"""The pictures that the stored artefacts were made of, drawn by integers alone.

They are drawn anew by every test instead of being stored, so every byte must be the same on every
machine: BMP has no compressor whose version could matter, and the formulas use no random generator.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 24
KINDS = ("checks", "rings", "stripes")


def pixels(kind: str, number: int) -> NDArray[np.uint8]:
    """Draw a picture of a kind, RGB, uint8 [SIDE, SIDE, 3]; numbers differ in colour and scale."""
    y, x = np.ogrid[0:SIDE, 0:SIDE]
    step = 2 + number % 5
    if kind == "checks":
        inside = (x // step + y // step) % 2 == 0
    elif kind == "rings":
        inside = ((x - SIDE // 2) ** 2 + (y - SIDE // 2) ** 2) // (7 * step) % 2 == 0
    else:
        inside = (x + y * (number % 3)) // step % 2 == 0
    ink = [(37 * number + 90 * channel) % 160 for channel in range(3)]
    paper = [255 - (53 * number + 70 * channel) % 96 for channel in range(3)]
    return np.where(inside[..., None], np.uint8(ink), np.uint8(paper))


def as_bmp(picture: NDArray[np.uint8]) -> bytes:
    """Write uint8 [H, W, 3] as a BMP of 24 bits; W must be a multiple of 4."""
    height, width, _ = picture.shape
    body = picture[::-1, :, ::-1].tobytes()
    head = struct.pack("<2sIHHI", b"BM", 54 + len(body), 0, 0, 54)
    return (
        head
        + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(body), 0, 0, 0, 0)
        + body
    )


def draw_pictures(folder: Path, each: int) -> Path:
    """Draw `each` pictures of every kind into a folder for each kind."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            (folder / kind / f"{number:02d}.bmp").write_bytes(as_bmp(pixels(kind, number)))
    return folder
