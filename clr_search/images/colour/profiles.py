"""ICC profiles: colours of another space become those of sRGB.

A profile that changes no colour by more than a few of 255 steps, as every variant of sRGB, is left
alone, so that nothing is computed and no pixel changes. What a profile does is found out once, and
remembered by its bytes; one that cannot be used is as if it were not there.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageCms

MAX_PROFILE = 2**22
"""Most bytes of a profile that is used; those of printers have half a million to three."""

_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
_CLASSES = {b"scnr", b"mntr", b"prtr", b"spac"}
_LEAST = 128  # bytes of the header of every profile
_SAME = 4  # steps of 255 by which variants of sRGB differ, for rounding and black points
_REMEMBERED = 16


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Returns a picture in sRGB.

    Parameters
    ----------
    image : Image
        Mode L, RGB or CMYK.
    profile : object
        The profile that the file holds; anything but bytes of a usable profile is passed over.

    Returns
    -------
    Image
        Mode RGB; the image itself where its colours are those of sRGB already, or are not known.
    """
    if not isinstance(profile, bytes) or not _LEAST < len(profile) <= MAX_PROFILE:
        return image
    if image.mode not in _SPACES or profile[16:20] != _SPACES[image.mode]:
        return image
    if profile[12:16] not in _CLASSES:
        return image
    transform = _transform(profile, image.mode)
    if transform is None:
        return image
    from PIL import ImageCms

    converted = ImageCms.applyTransform(image, transform)
    return image if converted is None else converted


@lru_cache(maxsize=_REMEMBERED)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Returns what turns colours of a profile into sRGB; None where that changes nothing."""
    from PIL import Image, ImageCms

    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.PERCEPTUAL,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if mode == "CMYK":
            return transform
        steps = np.arange(0, 256, 17, dtype=np.uint8)
        axes = np.meshgrid(*[steps] * (3 if mode == "RGB" else 1), indexing="ij")
        colours = np.stack(axes, -1).reshape(1, -1, len(axes))
        probe = Image.fromarray(colours if mode == "RGB" else colours[..., 0])
        found = ImageCms.applyTransform(probe, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # a picture with a broken profile is shown without it, as everywhere
    change = np.abs(np.asarray(found).astype(int) - colours)
    return transform if change.max() > _SAME else None
