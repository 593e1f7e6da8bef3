"""Cutting and shrinking decoded pictures, in the geometry of the ONNX graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

Crop = tuple[float, float, float, float]
"""Left, top, width and height of a part of a picture, as fractions of its width and height."""


def enough_for(size: int) -> int:
    """Shorter side of a reduced decoding from which `square` makes one of side `size`: 4 times.

    With a margin of 4 the vector of a photo is that of its full pixels to a cosine of 0.9999 in the
    median and 0.9993 at least; with one of 2, which takes a tenth less time, 0.9994 and 0.992. (The
    74 photos of camera_samples, by the encoder that ships; `bench/camera.py`.)
    """
    return 4 * size


def square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Central square of side min(h, w), resized with antialiased bilinear filtering.

    The same geometry as the preprocessing in the ONNX graph, so that a vector does not depend on
    where the picture was shrunk.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
    size : int
        Side of the result.

    Returns
    -------
    uint8 array, shape (size, size, 3)
        A new, writable array.
    """
    from PIL import Image

    left, top, side = _centre(pixels.shape[1], pixels.shape[0])
    part = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    return part.copy() if side == size else squared(Image.fromarray(part), size)


def _centre(width: int, height: int) -> tuple[int, int, int]:
    """Left, top and side of the largest central square."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def squared(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The same of a Pillow image in RGB, without a copy of its pixels before the cut."""
    from PIL import Image

    left, top, side = _centre(*image.size)
    if image.size != (side, side):
        # Cropped before the resize: `resize(box=…)` would let pixels beyond the edge bleed in.
        image = cropped(image, (left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.array(image)


def cropped(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Returns a part of an image: left, top, and the column and row behind its last.

    `Image.crop` refuses parts beyond a limit of Pillow's own, which belongs to the whole process.

    Examples
    --------
    >>> from PIL import Image
    >>> cropped(Image.new("L", (9, 9)), (2, 3, 9, 9)).size
    (7, 6)
    """
    from PIL import Image

    size = (box[2] - box[0], box[3] - box[1])
    if size[0] * size[1] <= (Image.MAX_IMAGE_PIXELS or math.inf):
        return image.crop(box)
    return image.transform(size, Image.Transform.EXTENT, box)


def cut(pixels: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """A part of a picture, uint8 (h, w, 3), at least one pixel wide and high.

    Raises
    ------
    UsageError
        If the part is empty, or sticks out.
    """
    left, top, width, height = crop
    inside = left >= 0 and top >= 0 and left + width <= 1 + 1e-9 and top + height <= 1 + 1e-9
    if not (inside and width > 0 and height > 0):
        raise UsageError(
            f"The crop {','.join(f'{value:g}' for value in crop)} is no part of a picture.",
            "Give left, top, width and height as fractions, such as 0.25,0,0.5,0.5.",
        )
    rows, columns = pixels.shape[:2]
    x, y = min(round(left * columns), columns - 1), min(round(top * rows), rows - 1)
    right = max(x + 1, round((left + width) * columns))
    bottom = max(y + 1, round((top + height) * rows))
    return pixels[y:bottom, x:right]
