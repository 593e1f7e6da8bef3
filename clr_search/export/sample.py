"""Encoders are measured on pictures of a collection, sampled at random, or on drawings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ImageError, UsageError
from clr_search.files.finding.image_file import ImageFile
from clr_search.images import Frame, decode_square, read
from clr_search.progress import Reporter

MOST_CALIBRATING, MOST_COMPARED = 256, 512
"""Largest numbers of pictures to calibrate with and to compare on; a random sample gives them."""

PARITY_SHAPES = ((1, 1), (37, 53), (64, 64), (120, 31), (333, 500))
"""Heights and widths of the pictures of the parity check: tiny, odd, square, tall, wide."""

LEAST = 64
"""Least number of pictures, both parts together; fewer would measure nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Pictures of a collection, as the encoder sees them; no picture is in both parts.

    Attributes
    ----------
    calibrating, compared : uint8 array, shape (N, S, S, 3)
        RGB pictures to calibrate with and to compare on. There are at least as many of the second.
    skipped : int
        Number of sampled files that could not be read.
    """

    calibrating: NDArray[np.uint8]
    compared: NDArray[np.uint8]
    skipped: int


def draw(
    files: Sequence[ImageFile], frame: Frame | int, reporter: Reporter, seed: int = 0
) -> Sample:
    """Sample pictures at random, the same ones for the same files and seed.

    Parameters
    ----------
    files : sequence of ImageFile
        Files of pictures; their labels are not used.
    frame : Frame or int
        How a picture becomes the square that the encoder sees; a number is its side.
    reporter : Reporter
        Receives the progress.
    seed : int
        Seed of the sampling.

    Returns
    -------
    Sample
        At most `MOST_CALIBRATING` and `MOST_COMPARED` pictures.

    Raises
    ------
    UsageError
        If fewer than `LEAST` pictures can be read.
    """
    order = np.random.default_rng(seed).permutation(len(files))
    most = MOST_CALIBRATING + MOST_COMPARED
    squares: list[NDArray[np.uint8]] = []
    skipped = 0
    with reporter.task("Reading pictures", min(most, len(files)), "images"):
        for number in order:
            if len(squares) == most:
                break
            try:
                squares.append(decode_square(read(files[number].path)[0], frame).pixels)
            except ImageError:
                skipped += 1
            reporter.advance()
    if len(squares) < LEAST:
        raise UsageError(
            f"Reduced weights are measured on {LEAST} pictures or more, "
            f"and {len(squares)} can be read.",
            "Give a folder with more pictures: --calibrate IMAGES",
        )
    if skipped:
        reporter.message(f"{skipped:,} pictures could not be read, and were left out.")
    count = min(MOST_CALIBRATING, len(squares) // 2)
    return Sample(np.stack(squares[:count]), np.stack(squares[count:]), skipped)


def noise(generator: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Draw a picture of independent random pixels, uint8 [H, W, 3].

    Examples
    --------
    >>> noise(np.random.default_rng(0), 2, 5).shape
    (2, 5, 3)
    """
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def blobs(generator: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Draw a smooth picture of coloured waves, uint8 [H, W, 3].

    Examples
    --------
    >>> blobs(np.random.default_rng(0), 2, 5).shape
    (2, 5, 3)
    """
    y, x = np.mgrid[0:height, 0:width]
    phase = generator.uniform(0, 6.28, (2, 3))
    rate = generator.uniform(0.02, 0.2, (2, 3))
    waves: NDArray[Any] = np.sin(x[..., None] * rate[0] + phase[0]) * np.cos(
        y[..., None] * rate[1] + phase[1]
    )
    return (127.5 + 127.5 * waves).astype(np.uint8)


def parity_pictures(seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Yield a `noise` and a `blobs` picture of each of `PARITY_SHAPES`, as uint8 [2, H, W, 3].

    Examples
    --------
    >>> next(parity_pictures()).shape
    (2, 1, 1, 3)
    """
    generator = np.random.default_rng(seed)
    for height, width in PARITY_SHAPES:
        yield np.stack([noise(generator, height, width), blobs(generator, height, width)])
