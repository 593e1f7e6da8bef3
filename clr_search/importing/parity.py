"""The wrapped graph is held against the original, fed by its documented preprocessing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.runtime import first_line, vectors
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.files.finding.find import find_images
from clr_search.images import decode, read
from clr_search.importing.pooling import Pooling
from clr_search.importing.recipe import Preprocessing
from clr_search.importing.wrap import Network

LEAST_COSINE = 0.999
"""Least cosine between the two vectors of each picture. The rest is rounding: bytes between the
passes of Pillow, and half a pixel where the longer side is cut."""

MOST_PICTURES = 32
"""Most pictures of a folder that are compared, evenly spread over it."""

_ENOUGH = 4
"""Photos larger than so many times the side that the network sees are decoded reduced."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The outcome of a comparison.

    Attributes
    ----------
    least, mean : float
        Least and mean cosine between the vectors of the wrapped and the original network.
    pictures : int
        Number of pictures that were compared.
    """

    least: float
    mean: float
    pictures: int


def parity_photos() -> list[NDArray[np.uint8]]:
    """Return photos that come with scikit-learn, whole and in parts: wide, tall, square and small.

    Returns
    -------
    list of uint8 arrays, shape (h, w, 3)
        RGB.
    """
    from sklearn.datasets import load_sample_images

    photos = [np.ascontiguousarray(photo) for photo in load_sample_images().images]
    parts = []
    for photo in photos:
        parts += [photo, photo[:, 100:400], photo[60:300], photo[100:400, 200:500]]
    return [np.ascontiguousarray(part) for part in parts]


def pictures_in(folders: Sequence[Path], side: int) -> list[NDArray[np.uint8]]:
    """Read a few pictures of folders, evenly spread.

    Raises
    ------
    UsageError
        If none can be read.
    """
    files = find_images(folders)
    found = []
    for file in files[:: -(-len(files) // MOST_PICTURES)] if files else []:
        try:
            found.append(decode(read(file.path)[0], at_least=_ENOUGH * side).pixels)
        except ImageError:
            continue
    if not found:
        raise UsageError(
            f"No picture can be read in {', '.join(map(str, folders))}.",
            "Name a folder of pictures: --pictures IMAGES",
        )
    return found


def original_vectors(
    network: Network, plan: Preprocessing, pooling: Pooling, pictures: Iterable[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """Embed pictures one by one with the original network, as float32 [N, D] of unit norm."""
    rows = [pooling.apply(network.run(plan.documented(picture)))[0] for picture in pictures]
    return _unit(np.stack(rows))


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows scaled to unit norm."""
    norms: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def compared(
    session: Any, expected: NDArray[np.float32], pictures: Sequence[NDArray[np.uint8]], source: str
) -> Parity:
    """Compare a wrapped network with the vectors of the original.

    Parameters
    ----------
    session : InferenceSession
        The wrapped network.
    expected : float32 array, shape (N, D)
        Vectors of the original.
    pictures : sequence of uint8 arrays, shape (h, w, 3)
        The N pictures.
    source : str
        Name of the network, for messages.

    Raises
    ------
    ClrSearchError
        If a vector is not finite, or a cosine is below `LEAST_COSINE`.
    """
    if not np.isfinite(expected).all() or not (np.linalg.norm(expected, axis=1) > 0.5).all():
        raise ClrSearchError(
            f"{source} gives numbers that are not finite, or nothing but zeros, for ordinary "
            "photos.",
            "Check the preprocessing (--scale, --mean, --std) and the output; half precision "
            "overflows in some networks.",
        )
    try:
        rows = np.concatenate([vectors(session, picture[None]) for picture in pictures])
    except Exception as error:  # ONNX Runtime's exceptions share no base class.
        raise ClrSearchError(f"Wrapped, {source} fails: {first_line(error)}.") from error
    cosines = (rows * expected).sum(axis=1)
    outcome = Parity(float(cosines.min()), float(cosines.mean()), len(pictures))
    if not outcome.least >= LEAST_COSINE:
        raise ClrSearchError(
            f"Wrapped, {source} gives other vectors than by its own preprocessing: the least "
            f"cosine of {outcome.pictures} pictures is {outcome.least:.4f}, and "
            f"{LEAST_COSINE} is asked for, so nothing was written.",
            "Check the opset of the file: export it again with opset 18.",
        )
    return outcome


def refuse_batch_dependence(session: Any, side: int, photo: NDArray[np.uint8], source: str) -> None:
    """Raise UsageError unless each picture has the same vector alone and among others."""
    batch = np.stack([photo[:side, :side], photo[-side:, -side:], photo[:side, -side:]])
    try:
        together = vectors(session, batch)
    except Exception as error:  # ONNX Runtime's exceptions share no base class.
        raise UsageError(
            f"{source} takes one picture at a time: of three it says {first_line(error)}.",
            "Export it with a free batch axis (dynamic_axes, or dynamic_shapes).",
        ) from error
    alone = np.concatenate([vectors(session, one[None]) for one in batch])
    if together.shape != alone.shape or not np.abs(together - alone).max() < 1e-2:
        raise UsageError(
            f"{source} gives a picture another vector among other pictures than alone.",
            "Export it in evaluation mode, with a free batch axis.",
        )
