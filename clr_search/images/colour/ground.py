"""Transparency: the ground that a picture is laid over contrasts with what is drawn.

White is the ground of nearly every picture. A white logo would vanish on it, and all white logos
would be one blank picture; such a one is laid over black, and one in white and black over grey, or
a colour. What counts is where the drawing meets the ground: pixels that are transparent in part,
and opaque ones beside transparent ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.images.colour.bands import bands
from clr_search.images.geometry import cropped

if TYPE_CHECKING:
    from PIL import Image

Colour = tuple[int, int, int]

GROUNDS: dict[Colour, float] = {
    (255, 255, 255): 0.0,
    (0, 0, 0): 0.01,
    (128, 128, 128): 0.02,
    (0, 160, 160): 0.1,
    (200, 80, 200): 0.1,
}
"""Grounds, and the share of what is drawn that may vanish on white before each of them is taken."""

_SEEN = 48  # steps of 255, in the channel that differs most, from which a difference is seen
_MOST = 2**16  # pixels of a band that are looked at
_BLANK = 8  # steps within which hidden colours are all the same


def laid_over(image: Image.Image) -> Image.Image:
    """Returns a picture with transparency on an opaque ground.

    Where nothing at all is opaque, opacity tells nothing, and the colours are shown as they are,
    unless these are all the same: then the picture is white.

    Parameters
    ----------
    image : Image
        Mode RGBA.

    Returns
    -------
    Image
        Mode RGB.
    """
    from PIL import Image

    alpha = image.getchannel("A")
    ((least, greatest),) = extrema(alpha)
    if least == 255:
        return image.convert("RGB")
    if greatest == 0:
        hidden = image.convert("RGB")
        if max(high - low for low, high in extrema(hidden)) > _BLANK:
            return hidden
    canvas = Image.new("RGB", image.size, ground_of(image) if greatest else "white")
    for top, bottom in bands(*image.size):
        part = cropped(image, (0, top, image.width, bottom))
        canvas.paste(part, (0, top), part.getchannel("A"))
    return canvas


def extrema(image: Image.Image) -> list[tuple[int, int]]:
    """Returns the least and the greatest value of each channel of an image of 8 bits.

    Examples
    --------
    >>> from PIL import Image
    >>> extrema(Image.new("RGB", (2, 2), (9, 8, 7)))
    [(9, 9), (8, 8), (7, 7)]
    """
    found: Any = image.getextrema()
    return list(found) if len(image.getbands()) > 1 else [found]


def ground_of(image: Image.Image) -> Colour:
    """Returns the ground on which least of a drawing vanishes, white before all others.

    Parameters
    ----------
    image : Image
        Mode RGBA, in part transparent.

    Examples
    --------
    >>> from PIL import Image
    >>> logo = Image.new("RGBA", (9, 9))
    >>> logo.paste("white", (3, 3, 6, 6))
    >>> ground_of(logo)
    (0, 0, 0)
    """
    vanished = np.zeros(len(GROUNDS))
    total = 0.0
    for colours, alpha in _edges(image):
        opacity = alpha / 255
        total += float(opacity.sum())
        for number, ground in enumerate(GROUNDS):
            difference = np.abs(colours - np.array(ground, np.float32)).max(-1) * opacity
            vanished[number] += (opacity * (1 - difference / _SEEN).clip(0)).sum()
    share = vanished / max(total, 1e-9) + list(GROUNDS.values())
    return list(GROUNDS)[int(share.argmin())]


def _edges(image: Image.Image) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yields colours (n, 3) and opacity (n,) of pixels where the drawing meets the ground."""
    from PIL import ImageFilter

    for top, bottom in bands(*image.size):
        # A row more at either end, so that no edge lies between two bands.
        first, last = max(top - 1, 0), min(bottom + 1, image.height)
        part = cropped(image, (0, first, image.width, last))
        alpha = np.asarray(part.getchannel("A"))
        around = np.asarray(part.getchannel("A").filter(ImageFilter.MinFilter(3)))
        rows = slice(top - first, bottom - first)
        seen = np.flatnonzero((alpha[rows] > 0) & (around[rows] < 255))
        seen = seen[:: max(len(seen) // _MOST, 1)]
        pixels = np.asarray(part)[rows].reshape(-1, 4)[seen].astype(np.float32)
        yield pixels[:, :3], pixels[:, 3]
