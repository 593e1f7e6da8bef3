"""Registration: the affine map by which one picture lies over another, to a part of a pixel.

A copy may be scaled, cut at its margins or turned by a few degrees. Its small tiles are then found
again near the place where they are expected, and their displacements are those of one affine map.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.float32]
"""Brightness of a picture, float32 (h, w), in [0, 255]."""

Affine = NDArray[np.float64]
"""A map of points (x, y) in pixels, shape (2, 3): ``A @ (x, y, 1)``."""

_FLAT = 3.0  # standard deviation of a tile, in grey levels, up to which it has no structure
_FOUND = 0.5  # least correlation of a tile with the place where it is found
_STRAY = 1.5  # pixels by which a tile may miss the map that the others agree on


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


def warped(picture: Image.Image, to: Affine, size: tuple[int, int]) -> Image.Image:
    """Returns a picture of `size` (width, height) that shows at (x, y) what `to` finds there.

    What lies outside of it is black.
    """
    coefficients = tuple(to.ravel().tolist())
    return picture.transform(size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)


def within(of: tuple[int, int], to: Affine, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns where `warped` shows something of a picture of the size `of`, bool (h, w).

    Examples
    --------
    >>> within((4, 2), np.array([[1.0, 0, 2], [0, 1, 0]]), (4, 2))[0]
    array([ True,  True, False, False])
    """
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    across = to[0, 0] * x + to[0, 1] * y + to[0, 2]
    down = to[1, 0] * x + to[1, 1] * y + to[1, 2]
    inside: NDArray[np.bool_] = (
        (across >= 0.5) & (across <= of[0] - 0.5) & (down >= 0.5) & (down <= of[1] - 0.5)
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


class Search:
    """The tiles of one picture, to be found in another near the same places.

    Parameters
    ----------
    grey : float32 array, shape (h, w)
        The picture that is cut into tiles.
    side : int
        Pixels a side of a tile.
    """

    def __init__(self, grey: Grey, side: int) -> None:
        self._grey, self._side, self._area = grey, side, side * side
        self._sum = tiled(grey, side)
        self._variance = np.maximum(tiled(grey * grey, side) - self._sum**2 / self._area, 0)
        self.deviation: Grey = np.sqrt(self._variance / self._area)

    def centres(self) -> NDArray[np.float64]:
        """Returns the centres of the tiles, shape (rows, columns, 2), x before y."""
        rows, columns = self._sum.shape
        x, y = np.meshgrid(np.arange(columns), np.arange(rows))
        centres: NDArray[np.float64] = (np.stack([x, y], axis=-1).astype(float) + 0.5) * self._side
        return centres

    def find(self, other: Grey, reach: int) -> tuple[Grey, NDArray[np.float64]]:
        """Finds each tile in another picture of the same size.

        Parameters
        ----------
        other : float32 array, shape (h, w)
            The other picture.
        reach : int
            Pixels by which a tile may be displaced, in each direction.

        Returns
        -------
        correlation : float32 array, shape (rows, columns)
            Correlation of each tile with its best place, in [-1, 1]; 0 for tiles without structure.
        shift : float64 array, shape (rows, columns, 2)
            Displacement to that place, x before y.
        """
        height, width = other.shape
        padded = np.pad(other, reach, mode="edge")
        squares = padded * padded
        steps = range(2 * reach + 1)
        best = np.full(self._sum.shape, -2, np.float32)
        shift = np.zeros((*self._sum.shape, 2))
        for dy in steps:
            for dx in steps:
                box = (slice(dy, dy + height), slice(dx, dx + width))
                total = tiled(padded[box], self._side)
                variance = tiled(squares[box], self._side) - total**2 / self._area
                shared = tiled(self._grey * padded[box], self._side)
                shared -= self._sum * total / self._area
                norm = np.sqrt(self._variance * np.maximum(variance, 0))
                value = np.where(norm > self._area, shared / np.maximum(norm, 1e-6), 0)
                far = np.hypot(dx - reach, dy - reach)
                value = value - np.float32(0.002 * far)  # of equal places, the nearest
                better = value > best
                best = np.where(better, value, best)
                shift[better] = (dx - reach, dy - reach)
        return best, shift


def refined(search: Search, other: Grey, reach: int) -> Affine | None:
    """Returns the map from one picture to another that most of its tiles agree on.

    Parameters
    ----------
    search : Search
        The tiles of the one picture.
    other : float32 array, shape (h, w)
        The other picture, which lies nearly like it already.
    reach : int
        Pixels by which a tile may be displaced, in each direction.

    Returns
    -------
    float64 array, shape (2, 3), or None
        The map of points; None if too few tiles are found again.
    """
    correlation, shift = search.find(other, reach)
    used = (search.deviation > _FLAT) & (correlation > _FOUND)
    if used.sum() < 3:
        return None
    points, moves = search.centres()[used], shift[used]
    kept = np.ones(len(points), dtype=bool)
    fitted = np.array([[1.0, 0, 0], [0, 1, 0]])
    for limit in (2 * _STRAY, _STRAY, _STRAY):
        fitted = _fit(points[kept], moves[kept])
        missed = np.linalg.norm(
            points @ (fitted[:, :2].T - np.eye(2)) + fitted[:, 2] - moves, axis=1
        )
        kept = missed <= max(limit, float(np.median(missed)))
    return fitted


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
