"""How alike two pictures are as they lie: correlation of their brightness, cut alike.

A vector tells what is in a picture, and two photographs of the same bed of flowers may have nearly
the same one. A copy also has every light and dark spot in its place, but for a margin cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.grouping import tiles

_SIDE = 64  # of a sketch; cuts of it keep more detail than is compared
_COMPARED = 32
_CUTS = (0.95, 0.9, 0.85)  # sides of the cuts, at nine places each


class Sketch:
    """A picture, uint8 (h, w, 3), as a grey square of 64 pixels a side.

    Its `whole`, float32 (1024,), is centred and of unit length: the product of two is a correlation
    that `correlation` reaches or exceeds.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        grey = Image.fromarray(pixels).convert("L")
        self.image = grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)
        self.whole = _unit(self.image, (0, 0, _SIDE, _SIDE))


def correlation(one: Sketch, other: Sketch) -> float:
    """Greatest correlation of one sketch with the other, whole or cut, in [-1, 1].

    The cuts leave out up to 15 % of the width and height of one of them. A sketch without any
    contrast correlates with nothing.
    """
    first, second = _cuts(one), _cuts(other)
    return float(max((first @ second[0]).max(), (second @ first[0]).max()))


@lru_cache(maxsize=1024)  # 115 kB each; a picture is compared several times in a row
def _cuts(sketch: Sketch) -> NDArray[np.float32]:
    """The whole and its cuts, centred and of unit length: float32 (28, 1024)."""
    return np.stack([_unit(sketch.image, box) for box in _boxes()])


def _boxes() -> Iterator[tuple[float, float, float, float]]:
    yield 0, 0, _SIDE, _SIDE
    for share in _CUTS:
        side, rest = share * _SIDE, (1 - share) * _SIDE / 2
        for place in range(9):
            left, top = place % 3 * rest, place // 3 * rest
            yield left, top, left + side, top + side


def _unit(picture: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    small = picture.resize((_COMPARED, _COMPARED), Image.Resampling.BILINEAR, box=box)
    values = np.asarray(small, np.float32).ravel()
    values -= values.mean()
    values /= max(float(np.linalg.norm(values)), 1e-6)
    return values


class Alike:
    """How alike pictures of a collection are as they lie; one that could not be read is like any.

    Parameters
    ----------
    sketches : dict of int to Sketch
        By position, of those that could be read.
    """

    def __init__(self, sketches: dict[int, Sketch]) -> None:
        self._sketches = sketches
        self._pair = lru_cache(maxsize=1_000_000)(self._correlation)

    def _correlation(self, one: int, other: int) -> float:
        return correlation(self._sketches[one], self._sketches[other])

    def pair(self, one: int, other: int) -> float:
        """Correlation of two, the smaller position first."""
        if one not in self._sketches or other not in self._sketches:
            return 1.0
        return self._pair(one, other)

    def all_reach(self, first: Sequence[int], second: Sequence[int], least: float) -> bool:
        """Whether every two across have at least this correlation."""
        return all(
            self._reach(one, other, least)
            for one in tiles([position for position in first if position in self._sketches])
            for other in tiles([position for position in second if position in self._sketches])
        )

    def _reach(self, first: Sequence[int], second: Sequence[int], least: float) -> bool:
        """Many at once as they are whole; only pairs that then are not alike also cut."""
        wholes = (np.stack([self._sketches[p].whole for p in part]) for part in (first, second))
        products = next(wholes) @ next(wholes).T
        left = np.argwhere(products < least).tolist()
        return all(self.pair(*sorted((first[i], second[j]))) >= least for i, j in left)
