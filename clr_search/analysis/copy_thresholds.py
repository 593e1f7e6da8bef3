"""The least cosine of candidates, learned from copies of a collection's own pictures.

The meaning of a cosine differs between encoders and between collections. Here some pictures of the
collection are copied in the ways of people and programs, and the cosines of these copies say where
to search. They never decide: whether two pictures are copies is told by their pixels
(`comparison.judgement`), and what share of the artificial copies those find is measured with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import compare
from clr_search.analysis.comparison.overlay import Sketch, placed

Pixels = NDArray[np.uint8]
"""A decoded RGB picture, shape (h, w, 3)."""

_LEFT = 0.02  # share of copies that the threshold may miss
LEAST = 0.5
"""The least threshold, however unlike the copies are: below it, all pictures are candidates."""

_COMPARED = 6  # pictures whose copies are compared by their pixels, which takes long


@dataclass(frozen=True, slots=True)
class Calibration:
    """The least cosine of candidates, and the share of copies that are found.

    Attributes
    ----------
    cosine : float
        Least cosine of a picture with a candidate for its copy, in [-1, 1].
    found : mapping of str to float
        The share of copies that a comparison of the pixels finds, in [0, 1], by kind of copy.
    pictures : int
        The number of pictures that were copied.
    """

    cosine: float
    found: Mapping[str, float]
    pictures: int


def re_encoded(picture: Image.Image) -> Image.Image:
    """Returns an RGB picture encoded as JPEG of quality 60, and decoded again.

    Examples
    --------
    >>> re_encoded(Image.new("RGB", (8, 6))).size
    (8, 6)
    """
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return Image.open(BytesIO(buffer.getvalue())).convert("RGB")


def resized(picture: Image.Image) -> Image.Image:
    """Returns the picture at half its width and height, each at least 1 pixel.

    Examples
    --------
    >>> resized(Image.new("RGB", (8, 6))).size
    (4, 3)
    """
    width, height = picture.size
    size = (max(1, width // 2), max(1, height // 2))
    return picture.resize(size, Image.Resampling.BILINEAR)


def cropped(picture: Image.Image) -> Image.Image:
    """Returns the picture without 10 % of its width and height, at the right and the bottom.

    Examples
    --------
    >>> cropped(Image.new("RGB", (80, 60))).size
    (72, 54)
    """
    width, height = picture.size
    return picture.crop((0, 0, max(1, round(0.9 * width)), max(1, round(0.9 * height))))


def rotated(picture: Image.Image) -> Image.Image:
    """Returns the picture rotated by 2°, at the same size and with black corners.

    Examples
    --------
    >>> rotated(Image.new("RGB", (8, 6))).size
    (8, 6)
    """
    return picture.rotate(2, Image.Resampling.BICUBIC)


def watermarked(picture: Image.Image) -> Image.Image:
    """Returns the picture with a half-transparent white line of text across the middle.

    Examples
    --------
    >>> watermarked(Image.new("RGB", (80, 60))).size
    (80, 60)
    """
    width, height = picture.size
    layer = Image.new("RGBA", picture.size)
    size = max(6, height // 8)
    draw = ImageDraw.Draw(layer)
    draw.text(
        (width / 2, height / 2),
        "© SAMPLE",
        fill=(255, 255, 255, 140),
        anchor="mm",
        font_size=size,
    )
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded": re_encoded,
    "resized": resized,
    "cropped": cropped,
    "rotated": rotated,
    "watermarked": watermarked,
}
"""The kinds of copies, by name: each function makes one of an RGB picture."""


def calibrate(
    encode: Callable[[list[Pixels]], NDArray[np.float32]],
    sample: Sequence[tuple[Pixels, NDArray[np.float32]]],
) -> Calibration:
    """Choose the least cosine of candidates, by copying a sample of pictures.

    98 % of the copies reach it, unless that took a threshold below `LEAST`.

    Parameters
    ----------
    encode : callable
        Embeds N pictures as unit vectors, float32 (N, D).
    sample : sequence of (uint8 array (h, w, 3), float32 array (D,))
        At least one decoded picture of the collection, each with its vector.

    Returns
    -------
    Calibration
        The threshold, and the share of the copies that their pixels tell.
    """
    cosines, told = [], []
    for number, (pixels, vector) in enumerate(sample):
        picture = Image.fromarray(pixels)
        copies = [np.asarray(copy(picture)) for copy in COPIES.values()]
        cosines.append(encode(copies) @ vector)
        if number < _COMPARED:
            sketch, detail = Sketch(pixels), Detail(pixels)  # once for all of its copies
            told.append([_is_told(sketch, detail, copy) for copy in copies])
    return Calibration(
        cosine=max(LEAST, float(np.quantile(np.stack(cosines), _LEFT))),
        found=dict(zip(COPIES, np.mean(told, axis=0).tolist(), strict=True)),
        pictures=len(sample),
    )


def _is_told(sketch: Sketch, detail: Detail, copy: Pixels) -> bool:
    """Whether a comparison of the pixels takes a copy of a picture for one."""
    return compare(detail, Detail(copy), placed(sketch, Sketch(copy))).is_copy
