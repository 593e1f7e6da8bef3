"""Good pictures of every format, and what chance makes of a good file."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np

NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


def mutated(good: bytes, chance: random.Random) -> bytes:
    """Damaged in one to a few ways; half of the time near its head, where the sizes are."""
    data = bytearray(good)
    for _ in range(chance.choice([1, 1, 2, 3, 8, 30])):
        reach = len(data) if chance.random() < 0.5 else min(len(data), 128)
        at = chance.randrange(max(reach, 1))
        kind = chance.randrange(6)
        if kind == 0 and data:
            data[at % len(data)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            width = chance.choice([1, 2, 4])
            number = chance.choice(NUMBERS) & (256**width - 1)
            data[at : at + width] = number.to_bytes(width, chance.choice(["big", "little"]))
        elif kind == 2:
            del data[at : at + chance.choice([1, 4, 64, 4096])]
        elif kind == 3:
            data[at:at] = data[at : at + chance.choice([1, 4, 64])]
        elif kind == 4:
            data[at:at] = chance.randbytes(chance.choice([1, 4, 64]))
        elif chance.random() < 0.3:
            del data[at:]
    return bytes(data)


def corpus() -> list[bytes]:
    """Good pictures of every format and most of their modes."""
    import pillow_heif
    from PIL import Image

    y, x = np.mgrid[0:48, 0:64].astype(np.uint8)
    rgb = Image.fromarray(np.stack([4 * x, 5 * y, x ^ y], axis=2))
    exif = Image.Exif()
    exif[0x0112] = 6
    ways: list[tuple[Image.Image, str, dict[str, Any]]] = [
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True, "quality": 30}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {}),
        (rgb, "PNG", {}),
        (rgb.convert("RGBA"), "PNG", {"exif": exif}),
        (rgb.quantize(16), "PNG", {"transparency": 3}),
        (rgb.convert("1"), "PNG", {}),
        (rgb.quantize(64), "GIF", {"save_all": True, "append_images": [rgb.quantize(8)]}),
        (rgb, "WEBP", {"quality": 60}),
        (rgb.convert("RGBA"), "WEBP", {"lossless": True}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
        (rgb.convert("CMYK"), "TIFF", {}),
        (rgb, "BMP", {}),
        (rgb.quantize(16), "BMP", {}),
        (rgb, "AVIF", {"quality": 50}),
    ]
    found = []
    for image, kind, options in ways:
        file = io.BytesIO()
        image.save(file, kind, **options)
        found.append(file.getvalue())
    heic = io.BytesIO()
    pillow_heif.from_pillow(rgb).save(heic, quality=50)
    return [*found, heic.getvalue()]
