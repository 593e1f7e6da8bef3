"""Whether two pictures differ only by letters that are written over one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search.analysis.comparison.registration import Grey, boxed

_CHANGED = 24.0
"""Grey levels by which a pixel that is written over differs: four times what JPEG changes."""

_ONE_SIGN = 0.9
"""Least share of the changed pixels that are brighter, or that are darker: letters have one colour,
and what JPEG does to their rims is the rest."""

_THICK = 0.045
"""Width of the thickest stroke, as a share of the longer side: that of letters of a ninth of the
height is half of it."""

_LEFT = 0.08
"""Most share of changed pixels that is thicker than a stroke: crossings of strokes are."""

_GROUND = 0.75
"""Least change of the ground, in grey levels from pixel to pixel: that of a sky in a photograph,
while paper, a slide and a drawing have none."""


def is_written_over(one: Grey, other: Grey, compared: NDArray[np.bool_]) -> bool:
    """Whether thin bright strokes, on the ground of a photograph, are all that differs.

    On an even ground nothing tells a mark that was laid over a picture from content, such as the
    next line of a slide: there the answer is no. Neither do dark strokes count: they may be ink.

    Parameters
    ----------
    one, other : float32 array, shape (h, w)
        Brightness of pictures that lie over each other, in [0, 255].
    compared : bool array, shape (h, w)
        The pixels to look at.

    Examples
    --------
    >>> flat = np.full((64, 64), 99, np.float32)
    >>> is_written_over(flat, flat, np.ones((64, 64), bool))
    False
    """
    difference = np.where(compared, other - one, 0)
    changed = np.abs(difference) > _CHANGED
    count = int(changed.sum())
    if count == 0:
        return False
    brighter = int((difference > _CHANGED).sum()) / count
    if max(brighter, 1 - brighter) < _ONE_SIGN:
        return False
    if not _is_thin(changed):
        return False
    around = _grown(changed, 2 * _width(changed.shape) + 1) & ~_grown(changed, 3) & compared
    if not around.any() or _steepness(one, other, around) < _GROUND:
        return False
    ground = float(np.median(one[around]))
    written = max((one, other), key=lambda values: abs(float(values[changed].mean()) - ground))
    return float(written[changed].mean()) > ground


def _width(shape: tuple[int, ...]) -> int:
    """Returns half the width of the thickest stroke, in pixels."""
    return max(1, round(_THICK * max(shape) / 2))


def _is_thin(changed: NDArray[np.bool_]) -> bool:
    """Whether nearly all of the changed pixels vanish if half a stroke is taken off at its rims."""
    side = 2 * _width(changed.shape) + 1
    core = _counted(changed, side) == side * side
    return bool(core.sum() <= _LEFT * changed.sum())


def _grown(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Returns a mask that is wider by half of `side` pixels everywhere."""
    return _counted(mask, side) > 0


def _counted(mask: NDArray[np.bool_], side: int) -> NDArray[np.int64]:
    """Returns the number of set pixels in the square of `side` pixels around each pixel."""
    return boxed(np.pad(mask.astype(np.int64), side // 2), side)


def _steepness(one: Grey, other: Grey, where: NDArray[np.bool_]) -> float:
    """Returns the median change from pixel to pixel on the smoother of two grounds."""
    return min(float(np.median(np.hypot(*np.gradient(v))[where])) for v in (one, other))
