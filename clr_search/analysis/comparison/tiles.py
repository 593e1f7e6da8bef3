"""The tiles of two pictures that lie over each other, and how much those of one miss the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from clr_search.analysis.comparison.detail import STRUCTURE
from clr_search.analysis.comparison.registration import Grey, tiled


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a copy may differ by; `bench.copy_tolerances` shows what other values would do.

    Attributes
    ----------
    noise : float
        Residual of a tile in grey levels, whatever it shows: the noise of JPEG at quality 45.
    share : float
        Further residual, as a share of the deviation within the tile: edges lose more by JPEG and
        by scaling than even ground.
    small, harsh : int, float
        Longer side of a picture up to which `harsh` takes the place of `noise`: a block of JPEG
        covers a whole part of a sign there.
    gain, level : float
        Greatest change of contrast, as a factor, and of brightness, in grey levels: profiles and
        grey conversions change so much. The same sign in another colour differs by more.
    chroma, stark : float
        Difference in Cb or Cr that a tenth of the tiles may not exceed, and that no tile may whose
        brightness is the same: the lamp of a sign in another colour.
    clearly : float
        Times of the tolerated residual from which one tile alone shows another picture.
    few : float
        Share of tiles that may miss the tolerance by less than that.
    alone, apart : float
        Times of the tolerated residual, and of what 95 % of the tiles of these pictures keep to,
        beyond which one tile alone shows another picture. What JPEG and scaling do to a page they
        do everywhere: where all else is equal, one other digit is found by this.
    ease : float
        Factor of what is tolerated at a level after which a finer one decides.
    written : float
        Most tiles, as a share, that something written over one picture may cover.
    margin : float
        Share of the longer side that is not compared: a turn leaves black corners there.
    """

    noise: float = 5.0
    share: float = 0.45
    small: int = 160
    harsh: float = 11.0
    gain: float = 1.15
    level: float = 12.0
    chroma: float = 7.0
    stark: float = 24.0
    clearly: float = 1.35
    few: float = 0.015
    alone: float = 0.5
    apart: float = 2.5
    ease: float = 1.3
    written: float = 0.45
    margin: float = 0.04


class Tiles:
    """The tiles of two pictures that lie over each other.

    Parameters
    ----------
    one, other : float32 array, shape (h, w)
        Brightness of the pictures, at one contrast.
    compared : bool array, shape (h, w)
        The pixels to compare.
    side : int
        Pixels a side of a tile.

    Attributes
    ----------
    used : bool array, shape (rows, columns)
        Tiles of which more than half is compared.
    structured, telling : bool array, shape (rows, columns)
        Those of them that have structure in one of the pictures, and in both.
    area : float32 array, shape (rows, columns)
        Compared pixels of each tile, at least 1.
    """

    def __init__(self, one: Grey, other: Grey, compared: NDArray[np.bool_], side: int) -> None:
        self.side = side
        self._weight = compared.astype(np.float32)
        self._one, self._other = one, other
        covered = tiled(self._weight, side)
        self.used = covered > side * side / 2
        self.area: Grey = np.maximum(covered, np.float32(1))
        first, second = self._deviation(one), self._deviation(other)
        self._rough = np.maximum(first, second)
        self.structured = self.used & (self._rough > STRUCTURE)
        self.telling = self.used & (np.minimum(first, second) > STRUCTURE)

    def _deviation(self, values: Grey) -> Grey:
        """Returns the standard deviation of each tile, within what is compared."""
        weighted = values * self._weight
        mean, square = tiled(weighted, self.side), tiled(weighted * values, self.side)
        variance = square / self.area - (mean / self.area) ** 2
        deviation: Grey = np.sqrt(np.maximum(variance, 0))
        return deviation

    def missed(self, noise: float, share: float) -> Grey:
        """Returns the residual of each tile, as a multiple of what is tolerated; unused ones 0.

        A tile that is not within the tolerance is tried a pixel further in all directions.
        """
        allowed = noise + share * self._rough
        difference = self._one - self._other
        squares = tiled(difference * difference * self._weight, self.side)
        residual: Grey = np.where(self.used, np.sqrt(squares / self.area) / allowed, 0)
        rows, columns = np.nonzero(residual > 1)
        if len(rows):
            least = self._nearby(rows * self.side, columns * self.side)
            again = np.sqrt(least / self.area[rows, columns]) / allowed[rows, columns]
            residual[rows, columns] = np.minimum(residual[rows, columns], again)
        return residual

    def _nearby(self, top: NDArray[np.int64], left: NDArray[np.int64]) -> Grey:
        """Returns the least sum of squares of some tiles, each moved by up to a pixel."""
        tile = (self.side, self.side)
        one = sliding_window_view(self._one, tile)[top, left]
        weight = sliding_window_view(self._weight, tile)[top, left]
        around = sliding_window_view(np.pad(self._other, 1, mode="edge"), tile)
        squares = []
        for down in range(3):
            for right in range(3):
                difference = one - around[top + down, left + right]
                squares.append(np.einsum("tyx,tyx,tyx->t", difference, difference, weight))
        least: Grey = np.stack(squares).min(axis=0)
        return least

    def mean_difference(self, one: Grey, other: Grey) -> Grey:
        """Returns the absolute difference of the means of two bands in each tile."""
        means: Grey = tiled((one - other) * self._weight, self.side) / self.area
        return np.abs(means)
