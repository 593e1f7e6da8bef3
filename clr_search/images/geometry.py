"""Cutting and shrinking decoded pictures, in the geometry of the ONNX graph.

A `Frame` says how a picture of any size becomes the square of pixels that an encoder sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

Crop = tuple[float, float, float, float]
"""Left, top, width and height of a part of a picture, as fractions of its width and height."""


Fit = Literal["crop", "centre", "squash", "pad"]
"""What becomes of a picture that is not square: its central square is cut out and scaled; or it is
scaled first and cut then, by whole pixels of the result, as other libraries do; or its sides are
scaled each on its own; or the whole is scaled and the rest of the square filled."""

Filter = Literal["bilinear", "bicubic"]
"""How pixels are resampled, both with antialiasing; bicubic is that of Pillow (a = -0.5)."""

FITS: tuple[Fit, ...] = ("crop", "squash", "pad", "centre")
LONGEST = 4
"""Most times that the longer side of a picture counts as long as its shorter one, of "centre"."""

FILTERS: tuple[Filter, ...] = ("bilinear", "bicubic")


@dataclass(frozen=True, slots=True)
class Frame:
    """The geometry that a picture goes through before an encoder sees it.

    Attributes
    ----------
    size : int
        S, the side in pixels of the square.
    fit : str
        "crop", "centre", "squash" or "pad"; see `Fit`.
    filter : str
        "bilinear" or "bicubic".
    ground : tuple of int
        Red, green and blue, 0 to 255, of what "pad" adds.

    Raises
    ------
    UsageError
        If a value is none of these.

    Examples
    --------
    >>> Frame(224, fit="pad").inner(640, 480)
    (224, 168)
    """

    size: int
    fit: Fit = "crop"
    filter: Filter = "bilinear"
    ground: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        if self.fit not in FITS or self.filter not in FILTERS:
            raise UsageError(
                f"A frame of fit {self.fit!r} and filter {self.filter!r} is not known.",
                f"The fits are {', '.join(FITS)}; the filters, {', '.join(FILTERS)}.",
            )
        if len(self.ground) != 3 or not all(0 <= value <= 255 for value in self.ground):
            raise UsageError(
                f"The ground {self.ground} is no colour.", "Give three numbers from 0 to 255."
            )

    def kept(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height of the middle of a picture that counts.

        Of "centre" that is the whole, but no more than `LONGEST` times the shorter side, or a line
        of pixels would become a picture of gigabytes.
        """
        shorter = min(width, height)
        if self.fit in ("crop", "centre"):
            most = shorter * (LONGEST if self.fit == "centre" else 1)
            return min(width, most), min(height, most)
        return width, height

    def inner(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height that a picture of this size is scaled to.

        For "centre" the shorter side is S, and the longer one is rounded down. For "pad" the longer
        side is S, and the shorter one is rounded to the nearest pixel, halves upwards. Both in
        integers, as the graph does it.
        """
        if self.fit == "centre":
            shorter = min(width, height)
            return width * self.size // shorter, height * self.size // shorter
        if self.fit != "pad":
            return self.size, self.size
        longer = max(width, height)
        sides = ((2 * self.size * side + longer) // (2 * longer) for side in (width, height))
        across, down = (max(1, side) for side in sides)
        return across, down

    @property
    def code(self) -> int:
        """A number below 2³² that says everything but the size, for the messages of workers."""
        kind = FITS.index(self.fit) << 1 | FILTERS.index(self.filter)
        red, green, blue = self.ground
        return kind << 24 | red << 16 | green << 8 | blue

    @classmethod
    def of_code(cls, size: int, code: int) -> Frame:
        """Return the frame of a size and a `code`.

        Examples
        --------
        >>> frame = Frame(8, fit="pad", filter="bicubic", ground=(1, 2, 3))
        >>> Frame.of_code(8, frame.code) == frame
        True
        """
        kind, ground = code >> 24, (code >> 16 & 255, code >> 8 & 255, code & 255)
        return cls(size, FITS[kind >> 1], FILTERS[kind & 1], ground)


def framed(frame: Frame | int) -> Frame:
    """Return a frame as it is, and a number as the frame of a central square of that side."""
    return frame if isinstance(frame, Frame) else Frame(frame)


def enough_for(frame: Frame | int) -> int:
    """Shorter side of a reduced decoding from which `square` makes one of side S: 4 times that.

    With a margin of 4 the vector of a photo is that of its full pixels to a cosine of 0.9999 in the
    median and 0.9993 at least; with one of 2, which takes a tenth less time, 0.9994 and 0.992. (The
    74 photos of camera_samples, by the encoder that ships; `bench/camera.py`.)
    """
    return 4 * framed(frame).size


def square(pixels: NDArray[np.uint8], frame: Frame | int) -> NDArray[np.uint8]:
    """A picture as the square that an encoder sees; of a number, the central square of that side.

    The same geometry as the preprocessing in the ONNX graph, so that a vector does not depend on
    where the picture was shrunk. A square of side S stays as it is.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
    frame : Frame or int
        How the picture becomes a square; a number is the side S of ``Frame(S)``, the central square
        of side min(h, w), resized with antialiased bilinear filtering.

    Returns
    -------
    uint8 array, shape (S, S, 3)
        A new, writable array.

    Examples
    --------
    >>> square(np.zeros((30, 40, 3), np.uint8), Frame(8, fit="pad", ground=(9, 9, 9)))[:, 0, 0]
    array([9, 0, 0, 0, 0, 0, 0, 9], dtype=uint8)
    """
    from PIL import Image

    frame = framed(frame)
    left, top, width, height = _centre(frame, pixels.shape[1], pixels.shape[0])
    pixels = np.ascontiguousarray(pixels[top : top + height, left : left + width])
    if pixels.shape[:2] == (frame.size, frame.size):
        return pixels.copy()
    return squared(Image.fromarray(pixels), frame)


def _centre(frame: Frame, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the middle of a picture that counts."""
    across, down = frame.kept(width, height)
    return (width - across) // 2, (height - down) // 2, across, down


def squared(image: Image.Image, frame: Frame | int) -> NDArray[np.uint8]:
    """The same of a Pillow image in RGB, without a copy of its pixels before the cut."""
    from PIL import Image

    frame = framed(frame)
    left, top, width, height = _centre(frame, *image.size)
    if image.size != (width, height):
        # Cropped before the resize: `resize(box=…)` would let pixels beyond the edge bleed in.
        image = cropped(image, (left, top, left + width, top + height))
    target = frame.inner(width, height)
    if image.size != target:
        bicubic = frame.filter == "bicubic"
        resampling = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
        image = _scaled(image, target, frame.size, resampling)
    elif frame.fit == "centre":
        image = image.crop(_middle(target, frame.size))
    if image.size == (frame.size, frame.size):
        return np.array(image)
    padded = np.empty((frame.size, frame.size, 3), np.uint8)
    padded[:] = frame.ground
    left, top = (frame.size - target[0]) // 2, (frame.size - target[1]) // 2
    padded[top : top + target[1], left : left + target[0]] = np.asarray(image)
    return padded


def _middle(target: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the middle of a scaled picture, at most `size` each way."""
    across, down = (min(side, size) for side in target)
    left, top = (target[0] - across) // 2, (target[1] - down) // 2
    return left, top, left + across, top + down


def _scaled(
    image: Image.Image, target: tuple[int, int], size: int, resampling: Image.Resampling
) -> Image.Image:
    """The middle of an image that is scaled to `target`; what is beyond it is not computed."""
    part = _middle(target, size)
    scales = (image.size[0] / target[0], image.size[1] / target[1]) * 2
    edges = tuple(place * scale for place, scale in zip(part, scales, strict=True))
    box = (edges[0], edges[1], min(edges[2], image.size[0]), min(edges[3], image.size[1]))
    return image.resize((part[2] - part[0], part[3] - part[1]), resampling, box=box)


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
