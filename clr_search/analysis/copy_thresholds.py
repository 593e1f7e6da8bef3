"""Thresholds for near-duplicates, learned from copies of a collection's own pictures.

The meaning of a cosine differs between encoders and between collections, so that no fixed number
tells a copy from another picture of the same thing. Here some pictures of the collection are copied
in the ways of people and programs. The scores of these copies are compared with those of other
pictures: by the cosine of vectors, and by the correlation of brightness (`overlay`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clr_search.analysis.overlay import Sketch, correlation

Pixels = NDArray[np.uint8]
"""A decoded RGB picture, shape (h, w, 3)."""

Scores = NDArray[np.float32]
"""Scores of pairs of pictures, in [-1, 1]."""

_LEFT = 0.02  # share of copies that each threshold may miss, and of other pictures that may pass it


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds for copies, and the share of copies that they find.

    Attributes
    ----------
    cosine, correlation : float
        Least cosine, and least `overlay.correlation`, of a picture with its copy; in [-1, 1].
    cosine_between, correlation_between : float
        The same for two copies of one picture, which are less alike than picture and copy.
    found : mapping of str to float
        The share of copies that passes both thresholds, in [0, 1], by kind of copy.
    pictures : int
        The number of pictures that were copied.
    """

    cosine: float
    correlation: float
    cosine_between: float
    correlation_between: float
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


def threshold_between(copies: Scores, others: Scores) -> float:
    """Returns the threshold that separates copies from other pictures.

    98 % of the copies reach it, or fewer if more than 2 % of the other pictures would reach it,
    too; at least half of the copies reach it in any case.

    Parameters
    ----------
    copies, others : float32 array, shape (n,), (m,)
        Scores of pictures with their copies, and with other pictures.

    Returns
    -------
    float
        The least score of a copy.

    Examples
    --------
    >>> copies, others = np.array([0.75, 1.0, 1.0]), np.array([0.25, 0.875])
    >>> 0.8 < threshold_between(copies, others) < 0.9
    True
    """
    threshold = float(np.quantile(copies, _LEFT))
    if len(others):
        threshold = max(threshold, float(np.quantile(others, 1 - _LEFT)))
    return min(threshold, float(np.median(copies)))


def calibrate(
    picture_of: Callable[[Path], Pixels | None],
    encode: Callable[[list[Pixels]], NDArray[np.float32]],
    sample: Sequence[tuple[Path, NDArray[np.float32]]],
    like: Sequence[Path],
) -> Calibration | None:
    """Choose thresholds for copies, by copying a sample of pictures.

    Nearly all copies pass the threshold of the cosine, and with them some pictures of like things;
    these are rejected by the threshold of the correlation, which is learned from pictures that are
    like those of the sample but no copies of them.

    Parameters
    ----------
    picture_of : callable
        Decodes a file to uint8 (h, w, 3), or returns None if that fails.
    encode : callable
        Embeds N pictures as unit vectors, float32 (N, D).
    sample : sequence of (Path, float32 array of shape (D,))
        Pictures of the collection with their vectors.
    like : sequence of Path
        For each picture of the sample, a picture like it.

    Returns
    -------
    Calibration or None
        The thresholds; None if no picture of the sample can be read.
    """
    vectors: list[NDArray[np.float32]] = []  # of each picture followed by its copies
    sketches: dict[int, list[Sketch]] = {}
    for number, (path, vector) in enumerate(sample):
        pixels = picture_of(path)
        if pixels is None:
            continue
        picture = Image.fromarray(pixels)
        copies = [np.asarray(copy(picture)) for copy in COPIES.values()]
        vectors.append(np.concatenate([vector[None], encode(copies)]))
        sketches[number] = [Sketch(version) for version in (pixels, *copies)]
    if not vectors:
        return None
    cosines = np.stack([_pairs(rows @ rows.T) for rows in vectors])
    correlations = np.stack([_pairs(_correlations(group)) for group in sketches.values()])
    kinds = len(COPIES)  # the first pairs are those of the picture with its copies
    cosine = float(np.quantile(cosines[:, :kinds], _LEFT))
    others = []
    for number, path in enumerate(like):
        pixels = picture_of(path) if number in sketches else None
        if pixels is not None:
            others.append(correlation(sketches[number][0], Sketch(pixels)))
    aligned = threshold_between(correlations[:, :kinds].ravel(), np.asarray(others, np.float32))
    passed = (cosines[:, :kinds] >= cosine) & (correlations[:, :kinds] >= aligned)
    return Calibration(
        cosine=cosine,
        correlation=aligned,
        cosine_between=min(cosine, float(np.quantile(cosines[:, kinds:], _LEFT))),
        correlation_between=min(aligned, float(np.quantile(correlations[:, kinds:], _LEFT))),
        found=dict(zip(COPIES, passed.mean(axis=0).tolist(), strict=True)),
        pictures=len(vectors),
    )


def _correlations(sketches: Sequence[Sketch]) -> NDArray[np.float32]:
    """Returns the correlation of every two sketches, shape (n, n)."""
    return np.asarray(
        [[correlation(one, other) for other in sketches] for one in sketches], np.float32
    )


def _pairs(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the values above the diagonal, row by row."""
    values: NDArray[np.float32] = matrix[np.triu_indices(len(matrix), k=1)]
    return values
