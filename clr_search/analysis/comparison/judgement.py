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

from clr_search.analysis.comparison.detail import (
    MIDDLE,
    Detail,
    is_judgeable,
    tile_side,
    values,
)
from clr_search.analysis.comparison.lettering import is_written_over
from clr_search.analysis.comparison.overlay import Placement
from clr_search.analysis.comparison.reading import READABLE, is_page, may_hide_a_letter
from clr_search.analysis.comparison.registration import (
    IDENTITY,
    Affine,
    Grey,
    joined,
    refined,
    warped,
    within,
)
from clr_search.analysis.comparison.tiles import Tiles, Tolerance

TOLERANCE = Tolerance()
"""What a copy may differ by."""

_ROUGH = 128
"""Longer side, in pixels, at which pictures are laid over each other first: the boxes of the start
are exact to 5 %, which is as far as tiles are searched for there."""

_FINER = 1.2
"""Times of the middle level from which a finer one shows more."""

_LEAST = 0.5
"""Least share of the one picture that is compared: the greatest cut leaves 85 % of each side."""

_MOST = 0.95
"""Share of the tiles that show what was done to a whole picture."""

_TENTH = 0.1
"""Share of the tiles whose colours have to differ: fewer may be a stamp, or what JPEG makes of thin
coloured strokes, whose brightness tells."""


class Finding(Enum):
    """What a comparison has found."""

    COPY = "copy"
    OVERLAID = "overlaid"  # a copy, but something is written over one of the two
    UNREAD = "unread"  # a copy as far as can be told: one letter of the page may be another
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
        return self.finding in (Finding.COPY, Finding.OVERLAID, Finding.UNREAD)


def compare(
    one: Detail,
    other: Detail,
    start: Placement,
    tolerance: Tolerance = TOLERANCE,
    *,
    reads: bool = False,
) -> Verdict:
    """Compare two pictures that lie over each other roughly as `start` says.

    With `reads`, it is asked of copies of pages, too, whether one other letter would have been
    seen, which takes longer than all else.

    Examples
    --------
    >>> whole = (0.0, 0.0, 1.0, 1.0)
    >>> blank = Detail(np.full((60, 80, 3), 250, np.uint8))
    >>> compare(blank, blank, Placement(0.0, whole, whole)).finding
    <Finding.UNJUDGED: 'unjudged'>
    """
    pair = _Pair(one, other, start)
    laid = pair.laid(_ROUGH, None, reaches=(4, 2))
    if laid.is_hopeless(tolerance):
        return Verdict(Finding.DIFFERENT, laid.first_alone, laid.second_alone)
    laid = pair.laid(MIDDLE, laid, reaches=(2,))
    is_finer = pair.finest > _FINER * MIDDLE
    finding = laid.finding(tolerance, tolerance.ease if is_finer else 1.0)
    last = laid
    if finding is Finding.COPY and is_finer:  # the colours are compared at the middle level only
        last = pair.laid(pair.finest, laid, reaches=(2,), bands=1)
        finding = last.finding(tolerance)
    is_read = reads and finding is Finding.COPY and pair.is_page
    if is_read and (pair.finest < READABLE or last.may_hide_a_letter(tolerance)):
        finding = Finding.UNREAD
    return Verdict(finding, laid.first_alone, laid.second_alone)


class _Pair:
    """Two pictures, brought to one scale at any level."""

    def __init__(self, one: Detail, other: Detail, start: Placement) -> None:
        self._one, self._other, self._start = one, other, start
        self._bands = min(len(one.bands), len(other.bands))  # a grey one has no colours to compare
        (left, top, right, bottom), second = start.first, start.second
        self._ratio = (
            (right - left) / (second[2] - second[0]),
            (bottom - top) / (second[3] - second[1]),
        )
        widths = other.size[0] / (one.size[0] * self._ratio[0])
        heights = other.size[1] / (one.size[1] * self._ratio[1])
        self._most = min(1.0, max(widths, heights))  # the scale at which the other has its pixels

    @property
    def finest(self) -> int:
        """Longer side, in pixels, of the finest level at which both have their own pixels."""
        return round(max(self._one.size) * self._most)

    @property
    def is_page(self) -> bool:
        """Whether one of the two is a page that can be read."""
        return any(is_page(picture.bands[0]) for picture in (self._one, self._other))

    def laid(
        self, level: int, before: _Laid | None, *, reaches: tuple[int, ...], bands: int = 3
    ) -> _Laid:
        """Returns the pictures laid over each other, with their longer side at `level` pixels.

        It begins at the map of the level `before`; at the first one, at the boxes of the start.
        """
        share = min(level / max(self._one.size), self._most)
        size = _scaled(self._one.size, (share, share))
        other_size = _scaled(size, self._ratio)
        to = self._started(size, other_size) if before is None else before.scaled(size)
        one, other = self._one.at(size), self._other.at(other_size)
        for reach in reaches:
            moved = values(warped(other, to, size))
            step = refined(values(one), moved, tile_side(size), reach)
            if step is None:
                break
            to = joined(to, step)
        to = self._as_they_lie(one, other, to)
        colours = range(1, min(bands, self._bands))
        return _Laid(
            [one, *(self._one.at(size, band) for band in colours)],
            [other, *(self._other.at(other_size, band) for band in colours)],
            to,
        )

    def _as_they_lie(self, one: Image.Image, other: Image.Image, found: Affine) -> Affine:
        """Returns the found map, or the one that moves nothing where the pictures differ less so.

        Where a page has ruled lines, few of its tiles tell where they lie along them.
        """
        is_moved = np.abs(found - IDENTITY).max() > 0
        if not is_moved or one.size != other.size or self._start.first != self._start.second:
            return found
        plain, moved = (values(warped(other, to, one.size)) for to in (IDENTITY, found))
        seen, inside = values(one), within(other.size, found, one.size)
        is_better = np.square(seen - plain)[inside].sum() <= np.square(seen - moved)[inside].sum()
        return IDENTITY if is_better else found

    def _started(self, size: tuple[int, int], other_size: tuple[int, int]) -> Affine:
        """Returns the map that lays the boxes of the start over each other."""
        first, second = self._start.first, self._start.second
        return np.array(
            [
                [1.0, 0, second[0] * other_size[0] - first[0] * size[0]],
                [0, 1, second[1] * other_size[1] - first[1] * size[1]],
            ]
        )


def _scaled(size: tuple[int, int], by: tuple[float, float]) -> tuple[int, int]:
    """Returns a size in pixels times a scale, at least 8 pixels a side."""
    return max(8, round(size[0] * by[0])), max(8, round(size[1] * by[1]))


class _Laid:
    """Two pictures at one scale, and the map from the one to the other.

    Attributes
    ----------
    first_alone, second_alone : float
        Share of each picture that lies outside of the other, in [0, 1].
    """

    def __init__(self, one: list[Image.Image], other: list[Image.Image], to: Affine) -> None:
        self._to, self._size = to, one[0].size
        self._one = [values(band) for band in one]
        self._other = [values(warped(band, to, self._size)) for band in other]
        self._inside = within(other[0].size, to, self._size)
        area = abs(float(np.linalg.det(to[:, :2]))) * self._inside.sum()
        self.first_alone = 1 - float(self._inside.mean())
        self.second_alone = max(0.0, 1 - area / (other[0].width * other[0].height))

    def scaled(self, size: tuple[int, int]) -> Affine:
        """Returns the map at another size of the one picture."""
        to = self._to.copy()
        to[:, 2] *= (size[0] / self._size[0], size[1] / self._size[1])
        return to

    def is_hopeless(self, tolerance: Tolerance) -> bool:
        """Whether so many tiles differ clearly that no finer level finds a copy.

        What can only be judged at a finer level, or is written over one of the two, is not.
        """
        compared = self._compared(tolerance.margin)
        if compared.mean() < _LEAST:
            return True
        _, tiles = self._tiles(compared, tolerance)
        missed = self._missed(tiles, tolerance) / tolerance.ease
        return bool((missed > tolerance.clearly).sum() > tolerance.written * tiles.used.sum())

    def finding(self, tolerance: Tolerance, ease: float = 1.0) -> Finding:
        """Returns whether the pictures are copies; `ease` is a factor of what is tolerated."""
        compared = self._compared(tolerance.margin)
        if compared.mean() < _LEAST:
            return Finding.DIFFERENT
        matched, tiles = self._tiles(compared, tolerance)
        if not is_judgeable(int(tiles.telling.sum())):
            return Finding.UNJUDGED
        missed = self._missed(tiles, tolerance) / ease
        if self._colours_differ(tiles, missed <= 1, tolerance):
            return Finding.DIFFERENT
        clear, used = missed > tolerance.clearly, tiles.used.sum()
        few = (missed > 1).sum() <= max(1, tolerance.few * used)
        if few and not clear.any() and not _one_is_apart(missed[tiles.structured], tolerance):
            return Finding.COPY
        mostly = clear.sum() <= tolerance.written * used and is_judgeable((missed <= 1).sum())
        if mostly and is_written_over(self._one[0], matched, compared):
            return Finding.OVERLAID
        return Finding.DIFFERENT

    def may_hide_a_letter(self, tolerance: Tolerance) -> bool:
        """Whether the pages differ somewhere by as much as one other letter could."""
        compared = self._compared(tolerance.margin)
        matched, _ = self._tiles(compared, tolerance)
        return may_hide_a_letter(self._one[0], matched, compared, tolerance)

    def _compared(self, margin: float) -> NDArray[np.bool_]:
        """Returns the pixels that are compared: those of both pictures, without the margin."""
        rim = max(1, round(margin * max(self._size)))
        inner = np.zeros_like(self._inside)
        inner[rim:-rim, rim:-rim] = self._inside[rim:-rim, rim:-rim]
        return inner

    def _tiles(self, compared: NDArray[np.bool_], tolerance: Tolerance) -> tuple[Grey, Tiles]:
        """Returns the other picture at the contrast and level of the one, and the tiles of both."""
        every = max(1, max(self._size) // MIDDLE)  # some of the pixels tell contrast and level
        some = (slice(None, None, every), slice(None, None, every))
        one, other = (band[0][some][compared[some]] for band in (self._one, self._other))
        gain = np.clip(one.std() / max(other.std(), 1e-3), 1 / tolerance.gain, tolerance.gain)
        centre = np.median(other)
        level = np.clip(np.median(one) - centre, -tolerance.level, tolerance.level)
        matched = (gain * (self._other[0] - centre) + centre + level).astype(np.float32)
        return matched, Tiles(self._one[0], matched, compared, tile_side(self._size))

    def _missed(self, tiles: Tiles, tolerance: Tolerance) -> Grey:
        """Returns the residual of each tile, as a multiple of what is tolerated."""
        is_small = max(self._size) <= tolerance.small
        return tiles.missed(tolerance.harsh if is_small else tolerance.noise, tolerance.share)

    def _colours_differ(self, tiles: Tiles, equal: NDArray[np.bool_], tolerance: Tolerance) -> bool:
        """Whether many tiles have different colours, or one whose brightness is `equal`."""
        for one, other in zip(self._one[1:], self._other[1:], strict=True):
            difference = np.where(tiles.used, tiles.mean_difference(one, other), 0)
            many = (difference > tolerance.chroma).sum() > _TENTH * tiles.used.sum()
            if many or (difference[equal] > tolerance.stark).any():
                return True
        return False


def _one_is_apart(missed: Grey, tolerance: Tolerance) -> bool:
    """Whether one tile misses by far more than nearly all tiles of the same two pictures."""
    return bool(missed.max() > max(tolerance.alone, tolerance.apart * np.quantile(missed, _MOST)))
