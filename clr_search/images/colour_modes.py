"""Any Pillow image to upright RGB: transparency, palettes, wide grey, CMYK, orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_EXIF_ORIENTATION = 274


def upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Load, convert to RGB and turn; also tell whether width and height changed places."""
    from PIL import Image

    image.load()
    orientation = _orientation(image)
    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)
    image = _rgb(image)
    if method is not None:
        image = image.transpose(method)
    return image, orientation >= 5


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; broken EXIF means upright, as no picture is worth losing for it."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  # the parser trusts offsets inside the file
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(image)
    if image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to RGB.

    Unsigned integers are scaled by their range: of 16 bits, or of the bits a TIFF declares (12-bit
    cameras). For wider integers and floating point no range is known: [0, 1] and [0, 255] are
    recognised for floating point, 16 bits for integers, and anything else is stretched from its
    least to its greatest finite value.
    """
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        bits = tags.get(_TIFF_BITS, (16,))[0]
        low, high = 0.0, float(2 ** (bits if 8 < bits <= 16 else 16) - 1)
    else:
        finite = values[np.isfinite(values)] if image.mode == "F" else values
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        for limit in (1.0, 255.0) if image.mode == "F" else (65535.0,):
            if low >= 0 and high <= limit:
                low, high = 0.0, limit
                break
    unit = (values.astype(np.float32) - low) / max(high - low, float(np.finfo(np.float32).tiny))
    grey = np.rint(np.nan_to_num(unit, nan=0.0).clip(0, 1) * 255).astype(np.uint8)
    if tags.get(_TIFF_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts 8 bits only
        grey = 255 - grey
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return Image.fromarray(grey).convert("RGB")
