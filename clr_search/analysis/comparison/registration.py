"""Registration: the affine map by which one picture lies over another, to a part of a pixel.

A copy may be scaled, cut at its margins or turned by a few degrees. Its small tiles are then found
again near the place where they are expected, and their displacements are those of one affine map.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

_Number = TypeVar("_Number", np.int64, np.float64)

Grey = NDArray[np.float32]
"""Brightness of a picture, float32 (h, w), in [0, 255]."""

Affine = NDArray[np.float64]
"""A map of points (x, y) in pixels, shape (2, 3): ``A @ (x, y, 1)``."""

IDENTITY: Affine = np.array([[1.0, 0, 0], [0, 1, 0]])
"""The map that leaves all points where they are."""

_SEARCHED = 100
"""Most tiles that are searched for: the six numbers of a map follow from them to a twentieth of a
pixel, and a page of 768 pixels has 1,600."""

_FLAT = 3.0
"""Standard deviation of a tile, in grey levels, up to which it has no structure: the noise of
JPEG and of a camera lies below."""

_NEEDED = 3
"""Least number of tiles that are found again: fewer agree by chance."""

_FOUND = 0.5
"""Least correlation of a tile with the place where it is found. Places of another picture reach it
by chance only where many are tried, and do not agree on one map."""

_STRAY = 1.5
"""Pixels by which a tile may miss the map that the others agree on: displacements are whole
pixels, so that right ones miss it by less than one in each direction."""

_UNMOVED = 0.8
"""Share of tiles that are found where they were expected, from which the pictures lie as they do:
a map to a part of a pixel would only follow the tiles that differ."""

_NEAR = 0.25
"""Pixels by which a tile may be found beside the place where it was expected: a quarter of a pixel
changes a tile by less than JPEG does."""

_BENT = 0.01
"""Least fall of the correlation beside its peak: along a line there is none, and no peak."""

_FAR = 0.002
"""Correlation that each pixel of displacement costs, so that of equal places of a regular pattern
the nearest is taken."""

_STILL = 0.05
"""Pixels by which a map may move any point of a picture that is taken as it is: a twentieth of a
pixel changes no grey level by more than the tolerated noise."""


def tiled(values: Grey, side: int) -> Grey:
    """Returns the sums of the whole tiles of an array, shape (rows, columns).

    Examples
    --------
    >>> tiled(np.ones((5, 8), np.float32), 4)
    array([[16., 16.]], dtype=float32)
    """
    rows, columns = values.shape[0] // side, values.shape[1] // side
    cut = values[: rows * side, : columns * side]
    columnwise = cut.reshape(rows, side, columns * side).sum(axis=1)
    sums: Grey = columnwise.reshape(rows, columns, side).sum(axis=2)
    return sums


def boxed(values: NDArray[_Number], side: int, step: int = 1) -> NDArray[_Number]:
    """Returns the sums of all whole squares of an array, `step` pixels from each to the next.

    Examples
    --------
    >>> boxed(np.arange(6).reshape(2, 3), 2)
    array([[ 8, 12]])
    """
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    columns = sums[:, side::step] - sums[:, :-side:step]
    squares: NDArray[_Number] = columns[side::step] - columns[:-side:step]
    return squares


def deviations(values: Grey, side: int) -> Grey:
    """Returns the standard deviation within each whole tile, shape (rows, columns).

    Examples
    --------
    >>> deviations(np.array([[0, 0, 6, 0], [0, 0, 0, 6]], np.float32), 2)
    array([[0., 3.]], dtype=float32)
    """
    area = side * side
    variance = tiled(values * values, side) / area - (tiled(values, side) / area) ** 2
    deviation: Grey = np.sqrt(np.maximum(variance, 0))
    return deviation


def warped(picture: Image.Image, to: Affine, size: tuple[int, int]) -> Image.Image:
    """Returns a picture of `size` (width, height) that shows at (x, y) what `to` finds there.

    What lies outside of it is black.
    """
    if picture.size == size and np.abs(to - IDENTITY).max(axis=0) @ (*size, 1) < _STILL:
        return picture
    coefficients = tuple(to.ravel().tolist())
    return picture.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)


def within(of: tuple[int, int], to: Affine, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns where `warped` shows something of a picture of the size `of`, bool (h, w).

    Examples
    --------
    >>> within((4, 2), np.array([[1.0, 0, 2], [0, 1, 0]]), (4, 2))[0]
    array([ True,  True, False, False])
    """
    x = np.arange(0.5, size[0], dtype=np.float64)
    y = np.arange(0.5, size[1], dtype=np.float64)[:, None]
    if _inside(of, to, x[[0, -1]], y[[0, -1]]).all():  # all corners, and so all between them
        return np.ones((size[1], size[0]), dtype=bool)
    return _inside(of, to, x, y)


def _inside(
    of: tuple[int, int], to: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Returns whether points (x, y) are mapped to pixels of a picture of the size `of`."""
    across = to[0, 0] * x + to[0, 1] * y + to[0, 2]
    down = to[1, 0] * x + to[1, 1] * y + to[1, 2]
    inside: NDArray[np.bool_] = (np.abs(across - of[0] / 2) <= (of[0] - 1) / 2) & (
        np.abs(down - of[1] / 2) <= (of[1] - 1) / 2
    )
    return inside


def joined(first: Affine, second: Affine) -> Affine:
    """Returns the map that does what `second` does, and then what `first` does.

    Examples
    --------
    >>> shift = np.array([[1.0, 0, 3], [0, 1, 0]])
    >>> joined(shift, shift)[:, 2]
    array([6., 0.])
    """
    below = np.array([[0.0, 0, 1]])
    product: Affine = first @ np.vstack([second, below])
    return product


def refined(one: Grey, other: Grey, side: int, reach: int) -> Affine | None:
    """Returns the map from one picture to another that most of its tiles agree on.

    Parameters
    ----------
    one, other : float32 array, shape (h, w)
        Two pictures that lie nearly like each other already.
    side : int
        Pixels a side of a tile.
    reach : int
        Pixels by which a tile may be displaced, in each direction.

    Returns
    -------
    float64 array, shape (2, 3), or None
        The map of points; None if too few tiles are found again.
    """
    rows, columns = np.nonzero(deviations(one, side) > _FLAT)
    if len(rows) < _NEEDED:
        return None
    chosen = np.unique(np.linspace(0, len(rows) - 1, _SEARCHED).astype(int))
    corners = np.stack([columns, rows], axis=1)[chosen] * side
    correlation, shift = _found(one, other, corners, side, reach)
    used = correlation > _FOUND
    if used.sum() < _NEEDED:
        return None
    points, moves = corners[used] + side / 2, shift[used]
    if (np.abs(moves) < _NEAR).all(axis=1).mean() >= _UNMOVED:
        return IDENTITY
    kept = np.ones(len(points), dtype=bool)
    fitted = IDENTITY
    for limit in (2 * _STRAY, _STRAY, _STRAY):
        fitted = _fit(points[kept], moves[kept])
        missed = np.linalg.norm(
            points @ (fitted[:, :2].T - np.eye(2)) + fitted[:, 2] - moves, axis=1
        )
        kept = missed <= max(limit, float(np.median(missed)))
    return fitted


def _found(
    one: Grey, other: Grey, corners: NDArray[np.int64], side: int, reach: int
) -> tuple[Grey, NDArray[np.float64]]:
    """Finds tiles of one picture in another near the same places.

    Parameters
    ----------
    one, other, side, reach
        As for `refined`.
    corners : int64 array, shape (T, 2)
        Upper left corners of the tiles, x before y.

    Returns
    -------
    correlation : float32 array, shape (T,)
        Correlation of each tile with its best place, in [-1, 1].
    shift : float64 array, shape (T, 2)
        Displacement to that place, x before y.
    """
    left, top = corners[:, 0], corners[:, 1]
    tiles = sliding_window_view(one, (side, side))[top, left].reshape(len(corners), -1)
    tiles = tiles - tiles.mean(axis=1, keepdims=True)
    steps = np.arange(2 * reach + 1)
    rows, columns = top[:, None, None] + steps[:, None], left[:, None, None] + steps
    padded = np.pad(other - other.mean(), reach, mode="edge")
    around = sliding_window_view(padded, (side, side))[rows, columns]
    places = around.reshape(len(corners), len(steps) ** 2, side * side)
    shared = (places @ tiles[:, :, None])[..., 0]
    variance = np.einsum("tpa,tpa->tp", places, places) - places.sum(axis=2) ** 2 / side**2
    norm = np.sqrt((tiles**2).sum(axis=1)[:, None] * np.maximum(variance, 0))
    moves = np.stack(np.meshgrid(steps - reach, steps - reach), axis=-1).reshape(-1, 2)
    value = np.where(norm > side * side, shared / np.maximum(norm, 1e-6), 0)
    value = value - np.float32(_FAR) * np.linalg.norm(moves, axis=1).astype(np.float32)
    best = value.argmax(axis=1)
    peaks = _peaks(value.reshape(-1, len(steps), len(steps)), best)
    return value[np.arange(len(best)), best], moves[best] + peaks


def _peaks(value: Grey, best: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns how far beside the best places the peaks of parabolas through their neighbours lie.

    Parameters
    ----------
    value : float32 array, shape (T, N, N)
        Correlation of each tile with the places around it.
    best : int64 array, shape (T,)
        The best place of each, in the rows of its square one after the other.

    Returns
    -------
    float64 array, shape (T, 2)
        Parts of a pixel in [-0.5, 0.5], x before y.
    """
    side = value.shape[1]
    tiles, rows, columns = np.arange(len(best)), best // side, best % side
    parts = []
    for down, right in ((0, 1), (1, 0)):
        inside = (np.minimum(rows, side - 1 - rows) >= down) & (
            np.minimum(columns, side - 1 - columns) >= right
        )
        y, x = np.where(inside, rows, 1), np.where(inside, columns, 1)
        before, after = value[tiles, y - down, x - right], value[tiles, y + down, x + right]
        bend = 2 * value[tiles, y, x] - before - after
        part = np.where(bend > _BENT, (after - before) / (2 * np.maximum(bend, _BENT)), 0)
        parts.append(np.where(inside, np.clip(part, -0.5, 0.5), 0))
    return np.stack(parts, axis=1).astype(np.float64)


def _fit(points: NDArray[np.float64], moves: NDArray[np.float64]) -> Affine:
    """Returns the map that moves points by `moves`; where few are given, a translation."""
    spread = points.std(axis=0).min()
    if len(points) < 6 or spread < 1:
        return np.column_stack([np.eye(2), np.median(moves, axis=0)])
    centre = points.mean(axis=0)
    rows = np.column_stack([points - centre, np.ones(len(points))])
    # A little weight on no distortion keeps tiles that lie in a line from bending the map.
    prior = np.diag([len(points) * 1.0, len(points) * 1.0, 1e-9])
    solved = np.linalg.solve(rows.T @ rows + prior, rows.T @ moves)
    linear = np.eye(2) + solved[:2].T
    return np.column_stack([linear, solved[2] + centre - linear @ centre])
