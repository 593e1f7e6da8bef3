"""How alike copies of a collection's own pictures are to it: the thresholds for near-duplicates.

A cosine means something else for every encoder and every collection, so that no fixed number tells
a copy from a picture of the same thing. Here some pictures of the collection are copied as people
and programs do, and what their copies score is held against what other pictures score: by their
vectors, and as they lie.
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

Scores = NDArray[np.float32]

_LEFT = 0.02  # share of copies that each threshold may miss, and of others that it may let pass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds, and what they are expected to do.

    Attributes
    ----------
    cosine, correlation : float
        Least cosine of a picture with a copy, and least correlation, by `aligned`.
    cosine_between, correlation_between : float
        The same of two copies of one picture, which are less alike.
    found : mapping of str to float
        By kind of copy, the share that passes both, in [0, 1].
    pictures : int
        How many pictures were copied.
    """

    cosine: float
    correlation: float
    cosine_between: float
    correlation_between: float
    found: Mapping[str, float]
    pictures: int


def re_encoded(picture: Image.Image) -> Image.Image:
    """JPEG at quality 60."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return Image.open(BytesIO(buffer.getvalue())).convert("RGB")


def resized(picture: Image.Image) -> Image.Image:
    """Returns the picture at half its width and height."""
    width, height = picture.size
    size = (max(1, width // 2), max(1, height // 2))
    return picture.resize(size, Image.Resampling.BILINEAR)


def cropped(picture: Image.Image) -> Image.Image:
    """10 % of the width and of the height cut off, on the right and at the bottom."""
    width, height = picture.size
    return picture.crop((0, 0, max(1, round(0.9 * width)), max(1, round(0.9 * height))))


def rotated(picture: Image.Image) -> Image.Image:
    """Returns the picture turned by 2°, with black corners."""
    return picture.rotate(2, Image.Resampling.BICUBIC)


def watermarked(picture: Image.Image) -> Image.Image:
    """A half-transparent white line of text across the middle."""
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
"""Ways to copy an RGB picture."""


def threshold_between(copies: Scores, others: Scores) -> float:
    """The threshold that parts copies from other pictures.

    It finds 98 % of the copies, unless more than 2 % of the others would come with them; but at
    least half of the copies.

    Parameters
    ----------
    copies, others : float32 array, shape (n,), (m,)
        Scores of pictures with their copies, and with others.
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
    """Copy some pictures, and choose thresholds; None if not one of them can be read now.

    The cosine lets nearly all copies pass, and with them some pictures of like things; to part
    these from copies is left to the correlation. What it has to part is learnt from pictures that
    are like each of the sample but no copies of it.

    Parameters
    ----------
    picture_of : callable
        Decodes a file to uint8 (h, w, 3), or gives None where that fails.
    encode : callable
        Embeds pictures as unit vectors.
    sample : sequence of (Path, float32 array of shape (D,))
        Pictures of the collection with their vectors.
    like : sequence of Path
        For each of the sample, a picture like it.
    """
    vectors: list[NDArray[np.float32]] = []  # of each picture and its copies
    sketches: dict[int, list[Sketch]] = {}
    for number, (path, vector) in enumerate(sample):
        pixels = picture_of(path)
        if pixels is None:
            continue
        picture = Image.fromarray(pixels)
        made = [np.asarray(copy(picture)) for copy in COPIES.values()]
        vectors.append(np.concatenate([vector[None], encode(made)]))
        sketches[number] = [Sketch(version) for version in (pixels, *made)]
    if not vectors:
        return None
    by_vector = np.stack([_pairs(rows @ rows.T) for rows in vectors])
    as_they_lie = np.stack([_pairs(_correlations(lines)) for lines in sketches.values()])
    kinds = len(COPIES)  # of the pairs, the first are of the picture with its copies
    cosine = float(np.quantile(by_vector[:, :kinds], _LEFT))
    others = []
    for number, path in enumerate(like):
        pixels = picture_of(path) if number in sketches else None
        if pixels is not None:
            others.append(correlation(sketches[number][0], Sketch(pixels)))
    aligned = threshold_between(as_they_lie[:, :kinds].ravel(), np.asarray(others, np.float32))
    passed = (by_vector[:, :kinds] >= cosine) & (as_they_lie[:, :kinds] >= aligned)
    return Calibration(
        cosine=cosine,
        correlation=aligned,
        cosine_between=min(cosine, float(np.quantile(by_vector[:, kinds:], _LEFT))),
        correlation_between=min(aligned, float(np.quantile(as_they_lie[:, kinds:], _LEFT))),
        found=dict(zip(COPIES, passed.mean(axis=0).tolist(), strict=True)),
        pictures=len(vectors),
    )


def _correlations(sketches: Sequence[Sketch]) -> NDArray[np.float32]:
    return np.asarray(
        [[correlation(one, other) for other in sketches] for one in sketches], np.float32
    )


def _pairs(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Above the diagonal, row by row."""
    values: NDArray[np.float32] = matrix[np.triu_indices(len(matrix), k=1)]
    return values
