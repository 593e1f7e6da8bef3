"""What a person wants to know of a copy to choose which to keep: its file, and how it looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from PIL import Image

from clr_search import images
from clr_search.analysis.candidates import Pixels
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.keepers import traits_of
from clr_search.images.metadata.exif import read_exif
from clr_search.index.catalog.records import Item

SIDE = 1024
"""Longer side, in pixels, at which fine detail is measured: that of a screen."""

_COARSE = 16  # pixels of the picture at that side that become one of the coarse picture
_LEAST = 0.5  # grey levels of coarse contrast, so that an even picture divides by no zero

_LOSSLESS = frozenset({"BMP", "GIF", "PNG", "PPM", "TIFF"})
_ORIGINS = ("no EXIF", "EXIF", "EXIF of a camera")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file is, and how its picture looks.

    Attributes
    ----------
    kind : str
        Its format, such as ``JPEG``; empty if it cannot be told.
    lossless : bool
        Whether files of its format keep every pixel.
    exif : str
        Whether it has EXIF, and whether a camera wrote it.
    taken : datetime or None
        When it was taken, by its EXIF.
    camera : str
        The camera, by its EXIF; empty if it is not told.
    coloured : bool
        Whether it has colours.
    detail : float
        How much fine detail it shows; see `fine_detail`. Of two copies, one with much more is
        sharper; pictures of other scenes cannot be compared by it.
    """

    kind: str
    lossless: bool
    exif: str
    taken: datetime | None
    camera: str
    coloured: bool
    detail: float


def facts_of(item: Item, load: images.Load = images.load) -> Facts:
    """Return what there is to say of a file, which is read for it.

    Parameters
    ----------
    item : Item
        Its item.
    load : callable
        Decodes the file.

    Raises
    ------
    ImageError
        If it is gone, or cannot be read as a picture now.
    OSError
        If it goes while it is read.
    """
    pixels = load(item.path, at_least=SIDE).pixels
    coloured = Detail(pixels).coloured
    traits, exif = traits_of(item.path, coloured=coloured), read_exif(item.path)
    return Facts(
        traits.kind,
        traits.kind in _LOSSLESS,
        _ORIGINS[traits.origin],
        exif.taken,
        exif.camera or "",
        coloured,
        fine_detail(pixels),
    )


def fine_detail(pixels: Pixels) -> float:
    """Return how much fine detail a picture shows: its mean Laplacian by its coarse contrast.

    All pictures are brought to the same size for it, so that one that was enlarged has less. The
    contrast is that between neighbours in a picture of 64 pixels a side: an even margin, or what a
    crop takes away of it, then counts for nothing.

    Examples
    --------
    >>> noise = np.random.default_rng(0).integers(0, 60, (512, 512, 3))
    >>> sharp = (np.arange(0, 128, 0.25).astype(np.uint8)[:, None, None] + noise).astype(np.uint8)
    >>> soft = np.asarray(Image.fromarray(sharp).resize((128, 128)).resize((512, 512)))
    >>> fine_detail(sharp) > 2 * fine_detail(soft)
    True
    """
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(_COARSE, round(width * scale)), max(_COARSE, round(height * scale)))
    grey = Image.fromarray(pixels).convert("L").resize(size, Image.Resampling.BICUBIC)
    values, coarse = np.asarray(grey, np.float32), np.asarray(grey.reduce(_COARSE), np.float32)
    inner = values[1:-1, 1:-1]
    around = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    contrast = sum(np.abs(np.diff(coarse, axis=axis)).sum() for axis in (0, 1)) / coarse.size
    return float(np.abs(4 * inner - around).mean() / max(_LEAST, float(contrast)))
