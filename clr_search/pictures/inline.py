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
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(pixels)).decode("ascii")


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode RGB pixels, uint8 (h, w, 3), as a JPEG file without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The whole picture, uint8 (h, w, 3), no side longer than `side`; never enlarged."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def preview(pixels: NDArray[np.uint8], side: int = PREVIEW) -> str:
    """The whole picture, uint8 (h, w, 3), no side longer than `side`, as a `data:` address."""
    return data_uri(shrunk(pixels, side))
