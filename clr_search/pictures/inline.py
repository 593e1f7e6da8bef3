"""Pictures as `data:` addresses, for pages that need no other file."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PREVIEW = 640
"""Longer side of a preview, in pixels."""
QUALITY = 82


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode RGB pixels, uint8 (h, w, 3), as a JPEG `data:` address."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def preview(pixels: NDArray[np.uint8], side: int = PREVIEW) -> str:
    """The whole picture, uint8 (h, w, 3), no side longer than `side`, as a `data:` address."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return data_uri(np.asarray(picture))
