"""Any Pillow image to upright sRGB: wide values, profiles, transparency, orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.images.colour.depth import Samples, scaled
from clr_search.images.colour.ground import laid_over
from clr_search.images.colour.profiles import to_srgb
from clr_search.images.geometry import cropped

if TYPE_CHECKING:
    from PIL import Image

_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_EXIF_ORIENTATION = 274
_OPAQUE_MODES = {"LA": "L", "La": "L", "PA": "P", "RGBA": "RGB", "RGBa": "RGB"}


def upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """Load, convert to sRGB and turn.

    Parameters
    ----------
    image : Image
        Any image, of a file or made in memory.

    Returns
    -------
    image : Image
        Mode RGB.
    turned : bool
        Whether width and height changed places.
    """
    image.load()
    orientation = _orientation(image)
    image = in_srgb(image, image.info.get("icc_profile"))
    if orientation > 1:  # nearly none
        image = turned(image, orientation)
    return image, orientation >= 5


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Returns an image turned as its EXIF orientation says, 1 to 8."""
    from PIL import Image

    ways = Image.Transpose
    way = {
        2: ways.FLIP_LEFT_RIGHT,
        3: ways.ROTATE_180,
        4: ways.FLIP_TOP_BOTTOM,
        5: ways.TRANSPOSE,
        6: ways.ROTATE_270,
        7: ways.TRANSVERSE,
        8: ways.ROTATE_90,
    }.get(orientation)
    return image if way is None else image.transpose(way)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; broken EXIF means upright, as no picture is worth losing for it."""
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001  # the parser trusts offsets inside the file
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Returns a loaded image in sRGB, opaque.

    Parameters
    ----------
    image : Image
        Any mode.
    profile : object
        The ICC profile of its file, or anything else for none; see `to_srgb`.

    Returns
    -------
    Image
        Mode RGB; the image itself where it was that already.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image if profile is None else to_srgb(image, profile)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = scaled(_samples(image))
    if image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if image.has_transparency_data:
        return laid_over(_with_opacity(image.convert("RGBA"), profile))
    if image.mode in ("L", "CMYK"):
        image = to_srgb(image, profile)
    elif image.mode in ("P", "1", "YCbCr"):
        image = to_srgb(image.convert("RGB"), profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _with_opacity(image: Image.Image, profile: object) -> Image.Image:
    """An image in mode RGBA whose colours, whatever their opacity, are those of sRGB."""
    if profile is None:
        return image
    colours = image.convert("RGB")
    converted = to_srgb(colours, profile)
    if converted is not colours:
        converted.putalpha(image.getchannel("A"))
        return converted
    return image


def without_opacity(image: Image.Image) -> Image.Image:
    """Returns a loaded image whose last channel is no opacity, though Pillow takes it for one.

    Parameters
    ----------
    image : Image
        Any mode.

    Returns
    -------
    Image
        The colours alone, in a mode without opacity.
    """
    from PIL import Image

    mode = _OPAQUE_MODES.get(image.mode)
    if mode is None:
        return image
    channels = [image.getchannel(number) for number in range(len(mode))]
    colours = channels[0] if len(channels) == 1 else Image.merge(mode, channels)
    colours.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return colours


def _samples(image: Image.Image) -> Samples:
    """Grey of more than 8 bits, as Pillow reads it."""
    tags = getattr(image, "tag_v2", {})
    told = None
    bits = tags.get(_TIFF_BITS, (16,))[0]
    if image.mode.startswith("I;16") and 8 < bits < 16:  # packed, as by cameras of 12 bits
        told = (0.0, float(2**bits - 1))
    key = image.info.get("transparency")

    def rows(top: int, bottom: int) -> NDArray[Any]:
        values = np.asarray(cropped(image, (0, top, image.width, bottom)))
        return values.astype(values.dtype.newbyteorder("="))[..., None]

    return Samples(
        *image.size,
        rows,
        most=1.0 if image.mode == "F" else 65535.0,
        told=told,
        key=(key,) if isinstance(key, int) else None,
        inverted=tags.get(_TIFF_PHOTOMETRIC) == 0,  # Pillow inverts those of 8 bits only
    )
