"""The golden picture: how a model file proves that a runtime computes what its maker computed.

A drawing that any language can make, or read from `golden.json`, and the vector it must give. As
`contract`, without torch and onnxruntime.
"""

from __future__ import annotations

import base64
import json

import numpy as np
from numpy.typing import NDArray

from clr_search.contract.model_file import GOLDEN_SIZE, INT8_TOLERANCE, TOLERANCE, Card, ModelFile
from clr_search.errors import ClrSearchError


def golden_size_for(image_size: int) -> tuple[int, int]:
    """Height and width of the golden picture of an encoder that sees squares of side S.

    Both odd, the height about 1.3 · S, so that the graph must reduce the picture, and never less
    than `contract.GOLDEN_SIZE`, whose proportions it has.
    """
    least, wide = GOLDEN_SIZE
    height = max(13 * image_size // 10 | 1, least)
    return height, height * wide // least | 1


def golden_picture(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Test picture of a golden file: uint8 [height, width, 3], RGB, made of integers only.

    Non-square and odd-sized, with ramps, a diagonal edge and a fine checkerboard, so that a wrong
    crop, BGR order or a missing scale show in the embedding; and, where it is larger than what the
    encoder sees, as `golden_size_for` makes it, a resize without antialiasing as well.

    Parameters
    ----------
    size : tuple of int
        Height and width, each at least 2: `golden_size` of a card.
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
    """Content of `golden.json`: the test picture as raw RGB bytes and the vector it must give."""
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
    """Largest absolute difference to its golden vector that a file may have on any runtime."""
    return INT8_TOLERANCE if card.precision == "int8" else TOLERANCE


def check_golden(model: ModelFile, embedding: NDArray[np.float32]) -> float:
    """Compare a runtime's embedding of the golden picture, shape (D,), with the expected one.

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
