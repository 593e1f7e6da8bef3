"""The golden picture shows whether a runtime computes the vectors that the exporter computed.

It is a drawing that any language can make, or read from `golden.json`; the metadata of the model
file hold the vector that it must give. This module imports neither torch nor onnxruntime.
"""

from __future__ import annotations

import base64
import json

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.card import GOLDEN_SIZE, Card
from clr_search.contract.model_file import INT8_TOLERANCE, TOLERANCE, ModelFile
from clr_search.errors import ClrSearchError


def golden_size_for(image_size: int) -> tuple[int, int]:
    """Return the height and width of the golden picture of an encoder that sees S×S pixels.

    Both are odd. The height is about 1.3 · S, so that the graph must shrink the picture, and never
    less than that of `GOLDEN_SIZE`, whose proportions the picture has.

    Parameters
    ----------
    image_size : int
        S in pixels.

    Examples
    --------
    >>> golden_size_for(32), golden_size_for(128)
    ((61, 97), (167, 265))
    """
    min_height, min_width = GOLDEN_SIZE
    height = max(13 * image_size // 10 | 1, min_height)
    return height, height * min_width // min_height | 1


def golden_picture(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the golden picture, with integer arithmetic only, so that any language can repeat it.

    It has ramps, a diagonal edge and a fine checkerboard, and `golden_size_for` makes it odd-sized
    and not square. So a wrong crop, BGR order or a missing scale show in the embedding. Where it is
    larger than what the encoder sees, a resize without antialiasing shows as well.

    Parameters
    ----------
    size : tuple of int
        Height and width in pixels, each at least 2: the `golden_size` of a card.

    Returns
    -------
    uint8 array, shape (height, width, 3)
        RGB.

    Examples
    --------
    >>> picture = golden_picture((61, 97))
    >>> picture.shape, picture[0, 0].tolist()
    ((61, 97, 3), [0, 0, 25])
    """
    height, width = size
    y, x = np.ogrid[0:height, 0:width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[..., 0] = x * 255 // (width - 1)
    picture[..., 1] = y * 255 // (height - 1)
    picture[..., 2] = np.where(3 * x > 4 * y + 40, np.uint8(230), np.uint8(25))
    checker = (x % 2 == y % 2) & (x >= 5 * width // 8)
    return np.invert(picture, out=picture, where=checker[..., None])  # 255 minus each byte


def golden_json(model: ModelFile) -> str:
    """Return the content of `golden.json`: the golden picture as raw RGB bytes, and its vector."""
    picture = golden_picture(model.card.golden_size)
    return json.dumps(
        {
            "contract_version": model.card.contract_version,
            "model_sha256": model.sha256,
            "height": picture.shape[0],
            "width": picture.shape[1],
            "rgb_base64": base64.b64encode(picture.tobytes()).decode("ascii"),
            "embedding": [float(f"{value:.8g}") for value in model.card.golden],
            "tolerance": tolerance_of(model.card),
        },
        indent=1,
    )


def tolerance_of(card: Card) -> float:
    """Return the largest absolute difference from its golden vector that a file may show.

    Examples
    --------
    >>> tolerance_of(Card("test", image_size=32, embedding_dim=8, architecture="resnet18"))
    0.0001
    """
    return INT8_TOLERANCE if card.precision == "int8" else TOLERANCE


def check_golden(model: ModelFile, embedding: NDArray[np.float32]) -> float:
    """Compare a runtime's embedding of the golden picture with the expected one.

    Parameters
    ----------
    model : ModelFile
        The model file, whose card holds the expected vector.
    embedding : float32 array, shape (D,)
        The vector that the runtime computed.

    Returns
    -------
    float
        Largest absolute difference.

    Raises
    ------
    ClrSearchError
        If it exceeds the tolerance of the file, or the file carries no golden vector.
    """
    expected = np.asarray(model.card.golden, dtype=np.float32)
    if expected.shape != embedding.shape:
        raise ClrSearchError(
            f"{model.path} carries no golden vector of length {embedding.size}.", "Export it again."
        )
    difference = float(np.abs(expected - embedding).max())
    allowed = tolerance_of(model.card)
    if not difference <= allowed:
        raise ClrSearchError(
            f"{model.path} does not give its golden vector here: off by {difference:.2e}, "
            f"allowed {allowed:.0e}.",
            "The file or the runtime is damaged; export it again, or update onnxruntime.",
        )
    return difference
