"""Correlation of the brightness of two pictures that are laid over each other.

A vector describes the content of a picture, and two photographs of the same bed of flowers may have
nearly the same vector. A copy also has every light and dark spot at the same position, apart from
a margin that was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.grouping import tiles

_SIDE = 64  # pixels a side of a sketch: its cuts have more detail than is compared
_COMPARED = 32  # pixels a side that are compared: JPEG and scaling change finer detail
_CUTS = (0.95, 0.9, 0.85)  # sides of the cuts, as shares of the whole, at nine positions each


class Sketch:
    """A picture reduced to a grey square of 64 pixels a side.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        The RGB picture.

    Attributes
    ----------
    image : PIL image
        The grey square.
    whole : float32 array, shape (1024,)
        The square at 32 pixels a side, centred and of unit length: the product of two sketches is
        their correlation without cuts, which `correlation` equals or exceeds.

    Examples
    --------
    >>> Sketch(np.zeros((6, 8, 3), np.uint8)).image.size
    (64, 64)
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        grey = Image.fromarray(pixels).convert("L")
        self.image = grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        self.whole = _unit(self.image, (0, 0, _SIDE, _SIDE))


def correlation(one: Sketch, other: Sketch) -> float:
    """Returns the greatest correlation of one sketch with the other, whole or cut, in [-1, 1].

    A cut leaves out up to 15 % of the width and height of one of the two. A sketch without any
    contrast has correlation 0 with all others.

    Examples
    --------
    >>> sketch = Sketch(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    >>> round(correlation(sketch, sketch), 3)
    1.0
    """
    first, second = _cuts(one), _cuts(other)
    return float(max((first @ second[0]).max(), (second @ first[0]).max()))


@lru_cache(maxsize=1024)  # 115 kB each, as a picture is compared several times in a row
def _cuts(sketch: Sketch) -> NDArray[np.float32]:
    """Returns the whole and its cuts, centred and of unit length, float32 (28, 1024)."""
    return np.stack([_unit(sketch.image, box) for box in _boxes()])


def _boxes() -> Iterator[tuple[float, float, float, float]]:
    """Yields the boxes (left, top, right, bottom) of the whole and of its 27 cuts, in pixels."""
    yield 0, 0, _SIDE, _SIDE
    for share in _CUTS:
        side, margin = share * _SIDE, (1 - share) * _SIDE / 2
        for position in range(9):
            left, top = position % 3 * margin, position // 3 * margin
            yield left, top, left + side, top + side


def _unit(picture: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Returns the pixels of a box, float32 (1024,), centred and scaled to unit length."""
    small = picture.resize((_COMPARED, _COMPARED), Image.Resampling.BILINEAR, box=box)
    values = np.asarray(small, np.float32).ravel()
    values -= values.mean()
    values /= max(float(np.linalg.norm(values)), 1e-6)
    return values


class Alike:
    """Correlations of the pictures of a collection; an unreadable picture correlates with all.

    Parameters
    ----------
    sketches : dict of int to Sketch
        Sketches of the pictures that could be read, by position.

    Examples
    --------
    >>> Alike({}).pair(0, 1), Alike({}).all_reach([0], [1, 2], 0.9)
    (1.0, True)
    """

    def __init__(self, sketches: dict[int, Sketch]) -> None:
        self._sketches = sketches
        self._pair = lru_cache(maxsize=1_000_000)(self._correlation)

    def _correlation(self, one: int, other: int) -> float:
        """Returns the correlation of two pictures that could be read."""
        return correlation(self._sketches[one], self._sketches[other])

    def pair(self, one: int, other: int) -> float:
        """Returns the correlation, in [-1, 1], of two pictures, the smaller position first."""
        if one not in self._sketches or other not in self._sketches:
            return 1.0
        return self._pair(one, other)

    def all_reach(self, first: Sequence[int], second: Sequence[int], least: float) -> bool:
        """Whether every picture of one group has at least this correlation with all of another."""
        return all(
            self._reach(one, other, least)
            for one in tiles([position for position in first if position in self._sketches])
            for other in tiles([position for position in second if position in self._sketches])
        )

    def _reach(self, first: Sequence[int], second: Sequence[int], least: float) -> bool:
        """Compares whole sketches in one product, and only pairs that fail also by their cuts."""
        wholes = (np.stack([self._sketches[p].whole for p in group]) for group in (first, second))
        products = next(wholes) @ next(wholes).T
        failed = np.argwhere(products < least).tolist()
        return all(self.pair(*sorted((first[i], second[j]))) >= least for i, j in failed)
