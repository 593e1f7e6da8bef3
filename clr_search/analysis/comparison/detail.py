"""Whether one picture is a copy of another, tile by tile.

Both are laid over each other (`registration`), and every small tile of the one has to show what the
other shows there: an article of the same form, the next slide of a lecture and the same sign in
another colour differ in a few tiles only. Two levels are compared, of 256 and of 768 pixels: a line
of print cannot be read at the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.comparison.lettering import is_written_over
from clr_search.analysis.comparison.overlay import Placement
from clr_search.analysis.comparison.registration import (
    Affine,
    Grey,
    Search,
    joined,
    refined,
    tiled,
    warped,
    within,
)

SIDE = 768
"""Longer side, in pixels, of the finest level that is compared."""

_ROUGH, _MIDDLE = 128, 256  # longer sides at which pictures are laid over each other, and compared
_TILE = 16  # pixels a side of a tile; less in a picture of fewer than twelve of them
_MARGIN = 0.04  # of the longer side, that is not compared: a turn leaves black corners there
_STRUCTURE = 6.0  # least standard deviation, in grey levels, of a tile that can tell pictures apart
_TELLING = 4  # least number of such tiles: with fewer, nothing can be judged
_NOISE, _SHARE = 5.0, 0.45  # tolerated residual of a tile: grey levels, and share of its deviation
_SMALL, _HARSH = 160, 11.0  # longer side of a picture whose edges JPEG spoils, and its tolerance
_GAIN = 1.25  # greatest change of contrast of a copy
_CHROMA = 7.0  # tolerated difference of a tile in Cb or Cr
_COLOURED = 3.0  # distance from grey, in Cb and Cr, beyond which a pixel is coloured
_FEW = 0.015  # share of tiles that may miss the tolerance, by less than `_CLEARLY`
_CLEARLY = 1.35  # times the tolerance: one such tile is another picture
_EASE = 1.3  # factor of the tolerances at a level after which a finer one decides
_WRITTEN = 0.45  # most tiles that something written over one picture may cover
_MORE = 0.03  # share of the other picture that must lie outside for a picture to show more


class Finding(Enum):
    """What a comparison has found."""

    COPY = "copy"
    OVERLAID = "overlaid"  # a copy, but something is written over one of the two
    DIFFERENT = "different"
    UNJUDGED = "unjudged"  # too little structure


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of comparing two pictures.

    Attributes
    ----------
    finding : Finding
        Whether they are copies.
    first_alone, second_alone : float
        Share of each picture that lies outside of the other, in [0, 1].
    """

    finding: Finding
    first_alone: float = 0.0
    second_alone: float = 0.0

    @property
    def is_copy(self) -> bool:
        """Whether the pictures are copies of each other."""
        return self.finding in (Finding.COPY, Finding.OVERLAID)


class Detail:
    """A picture at up to 768 pixels, to be compared tile by tile.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        The RGB picture.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        image = Image.fromarray(pixels)
        image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
        self.image = image

    @property
    def coloured(self) -> bool:
        """Whether the picture has colours, and is not grey."""
        return bool(np.quantile(_chroma(self.image), 0.995) > _COLOURED)

    def turned(self, transpose: Image.Transpose | None) -> Detail:
        """Returns the picture mirrored or turned; None leaves it as it is."""
        if transpose is None:
            return self
        detail = Detail.__new__(Detail)
        detail.image = self.image.transpose(transpose)
        return detail


def _chroma(image: Image.Image) -> NDArray[np.float32]:
    """Returns the distance of each pixel from grey, at 64 pixels a side."""
    small = image.resize((64, 64), Image.Resampling.BOX).convert("YCbCr")
    values = np.asarray(small, np.float32)[..., 1:] - 128
    distance: NDArray[np.float32] = np.abs(values).max(axis=-1)
    return distance


def structure(pixels: NDArray[np.uint8]) -> int:
    """Returns the number of tiles that can tell a picture apart from another.

    Examples
    --------
    >>> structure(np.full((60, 80, 3), 250, np.uint8))
    0
    """
    image = Image.fromarray(pixels)
    image.thumbnail((_MIDDLE, _MIDDLE), Image.Resampling.BICUBIC)
    grey = np.asarray(image.convert("L"), np.float32)
    return int((Search(grey, _tile(image.size)).deviation > _STRUCTURE).sum())


def is_judgeable(tiles: int) -> bool:
    """Whether a picture with so many telling tiles can be compared at all."""
    return tiles >= _TELLING


def compare(one: Detail, other: Detail, start: Placement) -> Verdict:
    """Compare two pictures that lie over each other roughly as `start` says.

    Examples
    --------
    >>> whole = (0.0, 0.0, 1.0, 1.0)
    >>> blank = Detail(np.full((60, 80, 3), 250, np.uint8))
    >>> compare(blank, blank, Placement(0.0, whole, whole)).finding
    <Finding.UNJUDGED: 'unjudged'>
    """
    if one.coloured != other.coloured:
        one, other = _grey(one), _grey(other)
    pair = _Pair(one, other, start)
    laid = pair.laid(_ROUGH, np.array([[1.0, 0, 0], [0, 1, 0]]), reaches=(4, 2))
    laid = pair.laid(_MIDDLE, laid.to, reaches=(2,), scale=laid.size)
    is_finer = pair.finest > 1.2 * _MIDDLE
    finding = laid.finding(_EASE if is_finer else 1.0)
    if finding is Finding.COPY and is_finer:
        grey = _Pair(_grey(one), _grey(other), start)  # the colours were compared at less detail
        finding = grey.laid(pair.finest, laid.to, reaches=(2,), scale=laid.size).finding()
    return Verdict(finding, laid.first_alone, laid.second_alone)


def _grey(detail: Detail) -> Detail:
    """Returns the picture without its colours."""
    grey = Detail.__new__(Detail)
    grey.image = detail.image.convert("L")
    return grey


def _tile(size: tuple[int, int]) -> int:
    """Returns the pixels a side of the tiles of a picture of this size."""
    return min(_TILE, max(4, max(size) // 12))


class _Pair:
    """Two pictures, brought to one scale at any level."""

    def __init__(self, one: Detail, other: Detail, start: Placement) -> None:
        self._one, self._other, self._start = one.image, other.image, start
        (left, top, right, bottom), second = start.first, start.second
        self._ratio = (
            (right - left) / (second[2] - second[0]),
            (bottom - top) / (second[3] - second[1]),
        )
        widths = other.image.width / (one.image.width * self._ratio[0])
        heights = other.image.height / (one.image.height * self._ratio[1])
        self._most = min(1.0, max(widths, heights))  # the scale at which the other has its pixels

    @property
    def finest(self) -> int:
        """Longer side, in pixels, of the finest level at which both have their own pixels."""
        return round(max(self._one.size) * self._most)

    def laid(
        self,
        level: int,
        to: Affine,
        *,
        reaches: tuple[int, ...],
        scale: tuple[int, int] | None = None,
    ) -> _Laid:
        """Returns the pictures laid over each other, with their longer side at `level` pixels.

        `to` is the map found so far, in the pixels of a level of size `scale`; without, there is
        none, and the boxes of the start are where it begins.
        """
        share = min(level / max(self._one.size), self._most)
        size = _scaled(self._one.size, (share, share))
        other_size = _scaled(size, self._ratio)
        one = self._one.resize(size, Image.Resampling.BILINEAR)
        other = self._other.resize(other_size, Image.Resampling.BILINEAR)
        if scale is None:
            first, second = self._start.first, self._start.second
            to = np.array(
                [
                    [1.0, 0, second[0] * other_size[0] - first[0] * size[0]],
                    [0, 1, second[1] * other_size[1] - first[1] * size[1]],
                ]
            )
        else:
            to = to.copy()
            growth = np.array([size[0] / scale[0], size[1] / scale[1]])
            to[:, 2] *= growth
        search = Search(_values(one.convert("L")), _tile(size))
        for reach in reaches:
            step = refined(search, _values(warped(other.convert("L"), to, size)), reach)
            if step is None:
                break
            to = joined(to, step)
        return _Laid(one, other, to)


def _scaled(size: tuple[int, int], by: tuple[float, float]) -> tuple[int, int]:
    """Returns a size in pixels times a scale, at least 8 pixels a side."""
    return max(8, round(size[0] * by[0])), max(8, round(size[1] * by[1]))


def _values(image: Image.Image) -> Grey:
    """Returns the values of a grey picture, or of one channel, as float32 (h, w)."""
    return np.asarray(image, np.float32)


class _Laid:
    """Two pictures at one scale, and the map from the one to the other.

    Attributes
    ----------
    to : float64 array, shape (2, 3)
        The map of points of the one to points of the other.
    size : tuple of int
        Width and height of the one.
    """

    def __init__(self, one: Image.Image, other: Image.Image, to: Affine) -> None:
        self.to, self.size = to, one.size
        mode = "L" if one.mode == other.mode == "L" else "YCbCr"
        self._one = [_values(band) for band in one.convert(mode).split()]
        self._other = [_values(band) for band in warped(other.convert(mode), to, one.size).split()]
        self._inside = within(other.size, to, one.size)
        area = abs(float(np.linalg.det(to[:, :2]))) * self._inside.sum()
        self.first_alone = 1 - float(self._inside.mean())
        self.second_alone = max(0.0, 1 - area / (other.width * other.height))

    def finding(self, ease: float = 1.0) -> Finding:
        """Returns whether the pictures are copies; `ease` is a factor of what is tolerated."""
        compared = self._compared()
        if compared.mean() < 0.5:
            return Finding.DIFFERENT
        first, second = self._one[0], self._same_contrast(compared)
        noise = _HARSH if max(self.size) <= _SMALL else _NOISE
        tiles = _Tiles(first, second, compared, _tile(self.size), noise)
        if tiles.telling.sum() < _TELLING:
            return Finding.UNJUDGED
        missed = tiles.missed() / ease
        if self._colours_differ(compared, tiles):
            return Finding.DIFFERENT
        clear = missed > _CLEARLY
        if not clear.any() and (missed > 1).sum() <= max(1, _FEW * tiles.used.sum()):
            return Finding.COPY
        mostly = clear.sum() <= _WRITTEN * tiles.used.sum() and (missed <= 1).sum() >= _TELLING
        if mostly and is_written_over(first, second, compared):
            return Finding.OVERLAID
        return Finding.DIFFERENT

    def _compared(self) -> NDArray[np.bool_]:
        """Returns the pixels that are compared: those of both pictures, without the margin."""
        margin = max(1, round(_MARGIN * max(self.size)))
        inner = np.zeros_like(self._inside)
        inner[margin:-margin, margin:-margin] = True
        return self._inside & inner

    def _same_contrast(self, compared: NDArray[np.bool_]) -> Grey:
        """Returns the brightness of the other picture at the contrast and level of the one."""
        one, other = self._one[0][compared], self._other[0][compared]
        gain = float(np.clip(one.std() / max(other.std(), 1e-3), 1 / _GAIN, _GAIN))
        matched: Grey = gain * self._other[0] + np.float32(np.median(one) - gain * np.median(other))
        return matched

    def _colours_differ(self, compared: NDArray[np.bool_], tiles: _Tiles) -> bool:
        """Whether tiles of the two pictures have different colours."""
        weight = compared.astype(np.float32)
        for one, other in zip(self._one[1:], self._other[1:], strict=True):
            difference = np.abs(tiled((one - other) * weight, tiles.side)) / tiles.area
            if (difference[tiles.used] > _CHROMA).mean() > 0.1:
                return True
        return False


class _Tiles:
    """The tiles of two pictures that lie over each other."""

    def __init__(
        self, one: Grey, other: Grey, compared: NDArray[np.bool_], side: int, noise: float
    ) -> None:
        self.side, self._noise = side, noise
        self._weight = compared.astype(np.float32)
        self._one, self._other = one, other
        covered = tiled(self._weight, side)
        self.used = covered > side * side / 2
        self.area = np.maximum(covered, 1)
        first, second = self._deviation(one), self._deviation(other)
        self._rough = np.maximum(first, second)
        self.telling = self.used & (np.minimum(first, second) > _STRUCTURE)

    def _deviation(self, values: Grey) -> Grey:
        """Returns the standard deviation of each tile."""
        mean = tiled(values * self._weight, self.side) / self.area
        square = tiled(values * values * self._weight, self.side) / self.area
        deviation: Grey = np.sqrt(np.maximum(square - mean * mean, 0))
        return deviation

    def missed(self) -> Grey:
        """Returns the residual of each tile, as a multiple of what is tolerated; unused ones 0."""
        height, width = self._one.shape
        padded = np.pad(self._other, 1, mode="edge")
        least = np.full(self.used.shape, np.inf, np.float32)
        for dy in range(3):
            for dx in range(3):
                difference = self._one - padded[dy : dy + height, dx : dx + width]
                squares = difference * difference * self._weight
                least = np.minimum(least, tiled(squares, self.side))
        residual = np.sqrt(least / self.area) / (self._noise + _SHARE * self._rough)
        return np.where(self.used, residual, 0).astype(np.float32)
