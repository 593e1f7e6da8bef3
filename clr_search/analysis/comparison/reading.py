"""Whether one other letter on a page would have been seen, where two pages look the same.

JPEG and scaling change all letters of a page a little, and may hide that one of them is another.
What they do everywhere is a blur, which is found and taken out first. What is left at the place
that differs most is then compared with what other letters would leave: those further along the
same lines are taken for it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.comparison.detail import STRUCTURE, tile_side
from clr_search.analysis.comparison.registration import Grey, boxed, deviations
from clr_search.analysis.comparison.tiles import Tolerance

READABLE = 400
"""Longer side, in pixels, from which a page can be read: a digit of 10 points has three rows in
400 pixels of A4."""

_STROKES = 14
"""Pixels, at a longer side of 768, up to which a stroke is ink and no ground."""

_INK = 48.0
"""Grey levels by which ink differs from its ground."""

_INKED = (0.01, 0.35)
"""Share of a page that is ink: with less there is nothing to be read, with more it is a pattern."""

_EVEN = 0.85
"""Least share of the tiles of a page whose ground has no structure; a photograph has up to 0.77."""

_WINDOW = 6
"""Pixels a side of the windows that are compared: about a digit of a page at 768 pixels."""

_STEP = 2
"""Pixels from window to window."""

_BLUR = 2
"""Pixels that the blur reaches in each direction."""

_SHIFTS = (13, 22)
"""Pixels along a line at which another letter is taken."""

_UPRIGHT = 0.5
"""Least change along the line in a window with a letter, as a share of that of the sharpest: lines
of a table have none."""

_PART = 1 / 3
"""Share of what another letter leaves, in the middle, that a digit leaves which is nearly the same:
3 and 8, or 0 and 6, differ in a part of their strokes only."""

_LETTERS = 50
"""Least number of windows with a letter in both places."""


def is_page(brightness: Image.Image) -> bool:
    """Whether a picture is ink on an even ground, or the reverse, and large enough to be read.

    Examples
    --------
    >>> is_page(Image.new("L", (600, 800), 250))
    False
    """
    if max(brightness.size) < READABLE:
        return False
    values = np.asarray(brightness)
    is_bright = float(np.median(values)) > 127
    first, second = (np.maximum, np.minimum) if is_bright else (np.minimum, np.maximum)
    reach = max(1, round(_STROKES * max(brightness.size) / 768 / 2))
    ground = _around(_around(values, reach, first), reach, second).astype(np.float32)
    inked = float((np.abs(ground - values) > _INK).mean())
    if not _INKED[0] <= inked <= _INKED[1]:
        return False
    return bool((deviations(ground, tile_side(brightness.size)) < STRUCTURE).mean() >= _EVEN)


def may_hide_a_letter(
    one: Grey, other: Grey, compared: NDArray[np.bool_], tolerance: Tolerance
) -> bool:
    """Whether two pages differ somewhere by as much as one other letter could.

    Parameters
    ----------
    one, other : float32 array, shape (h, w)
        Brightness of pages that lie over each other, at one contrast.
    compared : bool array, shape (h, w)
        The pixels to look at.
    tolerance : Tolerance
        What a difference is measured by.

    Examples
    --------
    >>> flat = np.full((64, 64), 99, np.float32)
    >>> may_hide_a_letter(flat, flat, np.ones((64, 64), bool), Tolerance())
    False
    """
    sharp, soft = (one, other) if _edges(one) >= _edges(other) else (other, one)
    sharp = _blurred_like(sharp, soft, compared)
    full = _windows(compared.astype(np.float32)) > 1 - 1e-3
    sharp_rough, soft_rough = _rough(sharp), _rough(soft)
    structured = full & (np.maximum(sharp_rough, soft_rough) > STRUCTURE)
    if not structured.any():
        return False

    def missed(moved: Grey, rough: Grey) -> Grey:
        allowed = tolerance.noise + tolerance.share * np.maximum(sharp_rough, rough)
        residual: Grey = np.sqrt(_windows(np.square(sharp - moved)))
        return np.divide(residual, allowed, dtype=np.float32)

    upright = np.sqrt(_windows(np.diff(soft, axis=1, prepend=soft[:, :1]) ** 2))
    lettered = structured & (upright >= _UPRIGHT * np.quantile(upright[structured], 0.9))
    others = []
    for shift in _SHIFTS:
        there, moved = np.roll(lettered, shift // _STEP, axis=1), np.roll(soft, shift, axis=1)
        there[:, : shift // _STEP + 1] = False
        others.append(missed(moved, _rough(moved))[lettered & there])
    letters = np.concatenate(others)
    if len(letters) < _LETTERS:
        return False
    return bool(missed(soft, soft_rough)[structured].max() >= _PART * np.median(letters))


def _around(
    values: NDArray[np.uint8], reach: int, pick: Callable[..., NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Returns the least or the greatest value in the square around each pixel."""
    for axis in (0, 1):
        lines = np.pad(np.moveaxis(values, axis, 0), ((reach, reach), (0, 0)), mode="edge")
        covered = 1
        while covered < 2 * reach + 1:
            step = min(covered, 2 * reach + 1 - covered)
            lines = pick(lines[:-step], lines[step:])
            covered += step
        values = np.moveaxis(lines, 0, axis)
    return values


def _edges(values: Grey) -> float:
    """Returns the mean change from pixel to pixel."""
    return float(np.hypot(*np.gradient(values)).mean())


def _windows(values: Grey) -> Grey:
    """Returns the means of windows every few pixels."""
    windows = boxed(values.astype(np.float64), _WINDOW, _STEP)
    means: Grey = (np.maximum(windows, 0) / _WINDOW**2).astype(np.float32)
    return means


def _rough(values: Grey) -> Grey:
    """Returns the standard deviation within each window."""
    centred = values - np.float32(values.mean())
    deviation: Grey = np.sqrt(np.maximum(_windows(centred * centred) - _windows(centred) ** 2, 0))
    return deviation


def _blurred_like(sharp: Grey, soft: Grey, compared: NDArray[np.bool_]) -> Grey:
    """Returns the sharper picture through the blur that makes it most like the other."""
    side = 2 * _BLUR + 1
    padded = np.pad(sharp, _BLUR, mode="edge")
    height, width = sharp.shape
    moved = [
        padded[down : down + height, right : right + width]
        for down in range(side)
        for right in range(side)
    ]
    some = compared.copy()
    some[1::2] = False  # half of the pixels tell 25 weights
    rows = np.stack([*(values[some] for values in moved), np.ones(some.sum(), np.float32)])
    products = (rows @ rows.T).astype(np.float64)
    weight = 1e-3 * np.trace(products) / len(products)  # so that even pages have a solution
    wanted = (rows @ soft[some]).astype(np.float64)
    wanted[side * side // 2] += weight
    kernel = np.linalg.solve(products + weight * np.eye(len(products)), wanted)
    blurred = np.full_like(sharp, kernel[-1])
    for factor, values in zip(kernel, moved, strict=False):
        blurred += np.float32(factor) * values
    return blurred
