"""Any Pillow image to upright RGB: transparency, palettes, wide grey, CMYK, orientation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_EXIF_ORIENTATION = 274
_BAND_PIXELS = 2**21


def upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Load, convert to RGB and turn; also tell whether width and height changed places."""
    from PIL import Image

    image.load()
    orientation = _orientation(image)
    image = _rgb(image)
    if orientation > 1:
        ways = Image.Transpose
        image = image.transpose(
            {
                2: ways.FLIP_LEFT_RIGHT,
                3: ways.ROTATE_180,
                4: ways.FLIP_TOP_BOTTOM,
                5: ways.TRANSPOSE,
                6: ways.ROTATE_270,
                7: ways.TRANSVERSE,
                8: ways.ROTATE_90,
            }[orientation]
        )
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
        canvas = Image.new("RGB", image.size, "white")
        for top, band in _bands(image):
            over = band.convert("RGBA")
            canvas.paste(over, (0, top), over.getchannel("A"))
        return canvas
    return image.convert("RGB")


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The rows in parts of some megapixels, with the row of each: work on one takes little."""
    width, height = image.size
    rows = max(_BAND_PIXELS // width, 1)
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(top + rows, height)))


def _scaled(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to RGB.

    Unsigned integers are scaled by their range: of 16 bits, or of the bits a TIFF declares (12-bit
    cameras). For wider integers and floating point no range is known: [0, 1] and [0, 255] are
    recognised for floating point, 16 bits for integers, and anything else is stretched from its
    least to its greatest finite value.
    """
    from PIL import Image

    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        bits = tags.get(_TIFF_BITS, (16,))[0]
        low, high = 0.0, float(2 ** (bits if 8 < bits <= 16 else 16) - 1)
    else:
        low, high = _range_of(image)
    transparent = image.info.get("transparency")
    canvas = Image.new("RGB", image.size)
    for top, band in _bands(image):
        values = np.asarray(band)
        grey = _grey(values, low, high)
        if tags.get(_TIFF_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts 8 bits only
            grey = 255 - grey
        if isinstance(transparent, int):
            grey[values == transparent] = 255
        canvas.paste(Image.fromarray(grey), (0, top))
    return canvas


def _range_of(image: Image.Image) -> tuple[float, float]:
    """Least and greatest value that mean black and white, of an image without a known range."""
    found: list[float] = []
    for _, band in _bands(image):
        values = np.asarray(band)
        finite = values[np.isfinite(values)] if image.mode == "F" else values
        if finite.size:
            found += [float(finite.min()), float(finite.max())]
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    for limit in (1.0, 255.0) if image.mode == "F" else (65535.0,):
        if low >= 0 and high <= limit:
            return 0.0, limit
    return low, high


def _grey(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values from `low` to `high` as 0 to 255; those that are no number are black."""
    unit = (values.astype(np.float32) - low) / max(high - low, float(np.finfo(np.float32).tiny))
    grey: NDArray[np.uint8] = np.rint(np.nan_to_num(unit, nan=0.0).clip(0, 1) * 255).astype(
        np.uint8
    )
    return grey
