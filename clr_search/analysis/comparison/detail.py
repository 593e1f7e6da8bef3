"""A picture made ready to be compared: its brightness and colours, at the sizes asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.comparison.registration import Grey, deviations

SIDE = 768
"""Longer side, in pixels, of the finest level: a printed line of a page can be read there."""

MIDDLE = 256
"""Longer side, in pixels, of the level at which pictures are judged, and colours compared."""

STRUCTURE = 6.0
"""Least standard deviation, in grey levels, of a tile that can tell pictures apart: twice that of
the grain of a dark or blank picture."""

_TELLING = 4
"""Least number of such tiles: a picture with fewer cannot be judged."""

_TILE, _ACROSS = 16, 12
"""Pixels a side of a tile, but at least so many of them lie along a picture: a tile is to be
smaller than a digit of a form, and large enough for its deviation to mean something."""

_COLOURED = 3.0
"""Distance from grey, in Cb and Cr, beyond which a pixel is coloured: JPEG tints grey by less."""

_REDUCED = 8
"""Sizes and bands that a picture is held at; one comparison needs four."""


class Detail:
    """A picture at up to 768 pixels, to be compared tile by tile.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        The RGB picture.

    Attributes
    ----------
    bands : tuple of PIL images
        Its brightness, and Cb and Cr if it has colours; each has mode ``L``.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        image = Image.fromarray(pixels)
        image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
        bands = image.convert("YCbCr").split()
        self.bands = bands if _is_coloured(bands[1]) or _is_coloured(bands[2]) else bands[:1]
        self._reduced: dict[tuple[int, tuple[int, int]], Image.Image] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.bands[0].size

    @property
    def coloured(self) -> bool:
        """Whether the picture has colours, and is not grey."""
        return len(self.bands) > 1

    @property
    def bytes_held(self) -> int:
        """Most bytes that it takes in memory, with what is held of it at other sizes."""
        return 2 * len(self.bands) * self.size[0] * self.size[1]

    def turned(self, transpose: Image.Transpose | None) -> Detail:
        """Returns the picture mirrored or turned; None leaves it as it is."""
        if transpose is None:
            return self
        detail = Detail.__new__(Detail)
        detail.bands = tuple(band.transpose(transpose) for band in self.bands)
        detail._reduced = {}
        return detail

    def at(self, size: tuple[int, int], band: int = 0) -> Image.Image:
        """Returns a band at a size (width, height); the last ones are held.

        Examples
        --------
        >>> Detail(np.zeros((60, 80, 3), np.uint8)).at((40, 30)).size
        (40, 30)
        """
        key = (band, size)
        if key not in self._reduced:
            if len(self._reduced) >= _REDUCED:
                del self._reduced[next(iter(self._reduced))]
            self._reduced[key] = self.bands[band].resize(size, Image.Resampling.BILINEAR)
        return self._reduced[key]


def _is_coloured(band: Image.Image) -> bool:
    """Whether more than a few pixels of Cb or Cr are not those of grey."""
    small = np.asarray(band.resize((64, 64), Image.Resampling.BOX), np.float32)
    return bool(np.quantile(np.abs(small - 128), 0.995) > _COLOURED)


def values(image: Image.Image) -> Grey:
    """Returns the values of a band as float32 (h, w)."""
    return np.asarray(image, np.float32)


def tile_side(size: tuple[int, int]) -> int:
    """Returns the pixels a side of the tiles of a picture of this size.

    Examples
    --------
    >>> tile_side((640, 480)), tile_side((96, 96)), tile_side((16, 16))
    (16, 8, 4)
    """
    return min(_TILE, max(4, max(size) // _ACROSS))


def structure(pixels: NDArray[np.uint8]) -> int:
    """Returns the number of tiles that can tell a picture apart from another.

    Examples
    --------
    >>> structure(np.full((60, 80, 3), 250, np.uint8))
    0
    """
    image = Image.fromarray(pixels)
    image.thumbnail((MIDDLE, MIDDLE), Image.Resampling.BICUBIC)
    grey = values(image.convert("L"))
    return int((deviations(grey, tile_side(image.size)) > STRUCTURE).sum())


def is_judgeable(tiles: int) -> bool:
    """Whether a picture with so many telling tiles can be compared at all."""
    return tiles >= _TELLING
