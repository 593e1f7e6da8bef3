"""Pictures become `data:` addresses, for pages that need no other file."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PREVIEW = 640
"""Length in pixels of the longer side of a preview."""

QUALITY = 82
"""JPEG quality, of 100: small files in which artefacts are hardly seen at preview size."""


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode RGB pixels, uint8 (h, w, 3), as a JPEG `data:` address.

    Examples
    --------
    >>> data_uri(np.zeros((4, 6, 3), np.uint8))[:23]
    'data:image/jpeg;base64,'
    """
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(pixels)).decode("ascii")


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    r"""Encode RGB pixels, uint8 (h, w, 3), as the bytes of a JPEG file without metadata.

    Examples
    --------
    >>> jpeg(np.zeros((4, 6, 3), np.uint8))[:2]
    b'\xff\xd8'
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def shrunk(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Shrink a picture, uint8 (h, w, 3), so that no side is longer than `side` pixels.

    The whole picture stays visible; one that is small enough is returned as it is.

    Examples
    --------
    >>> shrunk(np.zeros((40, 80, 3), np.uint8), 20).shape
    (10, 20, 3)
    """
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def preview(pixels: NDArray[np.uint8], side: int = PREVIEW) -> str:
    """Return a picture, uint8 (h, w, 3), shrunk as by `shrunk`, as a JPEG `data:` address.

    Examples
    --------
    >>> preview(np.zeros((4, 6, 3), np.uint8)).startswith("data:image/jpeg")
    True
    """
    return data_uri(shrunk(pixels, side))
