"""The plane on which a pattern is drawn, and the functions of which patterns consist.

A pattern is a pure function ``(plane, rng) -> list[Layer]``. Its layers have coverages in [0, 1],
and are painted over the ground colour one after the other. Distances are signed (negative inside)
and measured in repeats of the pattern, so that edges are softened over one sample at any scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""An array of float32; the type is wider, as NumPy's stubs lose the width next to a `float`."""
Integers = NDArray[np.int32]


class Layer(NamedTuple):
    """One colour, painted over the layers below.

    Attributes
    ----------
    colour : int
        Role of the colour in the palette, such as `palettes.MAIN`.
    coverage : float32 (n, n)
        Opacity of each sample, from 0 (transparent) to 1 (opaque).
    """

    colour: int
    coverage: Array


@dataclass(frozen=True, slots=True)
class Plane:
    """The samples of a swatch in the coordinates of its pattern.

    Attributes
    ----------
    x, y : float32 (n, n)
        Position of each sample in repeats of the pattern; scale, rotation, shift and folds are
        included.
    repeats : float
        Number of repeats across the swatch.
    """

    x: Array
    y: Array
    repeats: float

    @property
    def sample(self) -> float:
        """The side of one sample in repeats."""
        return self.repeats / float(self.x.shape[0])

    def inside(self, distance: Array, softness: float = 1.0) -> Array:
        """Return the coverage of the region of negative `distance`.

        Its edge is softened over `softness` samples.
        """
        coverage: Array = (0.5 - distance / (self.sample * softness)).clip(0.0, 1.0)
        return coverage

    def noise(self, rng: np.random.Generator, frequency: float, stretch: float = 1.0) -> Array:
        """Return a `smooth_field` with about `frequency` bumps in a repeat.

        The bumps are `stretch` times as long from top to bottom of the picture as from left to
        right.
        """
        cells = self.repeats * frequency
        return smooth_field(rng, self.x.shape[0], cells / stretch, cells)


Pattern = Callable[[Plane, np.random.Generator], list[Layer]]
"""A function that draws a pattern on a plane, as layers from bottom to top."""


def smooth_field(rng: np.random.Generator, side: int, rows: float, columns: float) -> Array:
    """Return smooth noise: a random grid that is interpolated by cubic B-splines.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the grid.
    side : int
        Number of samples in a side of the field.
    rows, columns : float
        Number of grid cells from top to bottom and from left to right.

    Returns
    -------
    float32 (side, side)
        Mean about 0, standard deviation about 1.

    Examples
    --------
    >>> smooth_field(np.random.default_rng(0), 32, 4.0, 4.0).shape
    (32, 32)
    """
    down, across = _spline(side, rows), _spline(side, columns)
    grid = rng.standard_normal((down.shape[1], across.shape[1]), dtype=np.float32)
    field: Array = down @ grid @ across.T
    return field * 2.2  # The spline averages neighbours; this restores a deviation of about 1.


def _spline(side: int, cells: float) -> Array:
    """Return the cubic B-spline weights of a grid at `side` positions, (side, ceil(cells) + 3)."""
    position = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(cells / side) + 1.0
    knots = np.arange(math.ceil(cells) + 3, dtype=np.float32)
    t = np.abs(position[:, None] - knots)
    near = 2 / 3 - t * t * (1 - t / 2)
    far = (2 - t).clip(0.0, None) ** 3 / 6
    weights: Array = np.where(t < 1, near, far).astype(np.float32)
    return weights


def wrap(t: Array) -> Array:
    """Return the signed distance to the nearest integer, in [-0.5, 0.5).

    Examples
    --------
    >>> wrap(np.array([0.0, 0.25, 0.75])).tolist()
    [0.0, 0.25, -0.25]
    """
    offset: Array = t - np.floor(t + 0.5)
    return offset


def zigzag(t: Array) -> Array:
    """Return a triangle wave of period 1, which is 0 at integers and 1 half-way between.

    Examples
    --------
    >>> zigzag(np.array([0.0, 0.25, 0.5])).tolist()
    [0.0, 0.5, 1.0]
    """
    wave: Array = np.abs(wrap(t)) * 2.0
    return wave


def smooth(t: Array) -> Array:
    """Return the Hermite step: 0 below 0, 1 above 1, and smooth in between.

    Examples
    --------
    >>> smooth(np.array([-1.0, 0.5, 2.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    t = t.clip(0.0, 1.0)
    step: Array = t * t * (3.0 - 2.0 * t)
    return step


def turn(x: Array, y: Array, angle: Array | float) -> tuple[Array, Array]:
    """Rotate coordinates by an angle in radians, which is a number or an array of their shape."""
    if isinstance(angle, float):
        c, s = math.cos(angle), math.sin(angle)
        return x * c + y * s, y * c - x * s
    cosine, sine = np.cos(angle), np.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


class Cells(NamedTuple):
    """The cells of a lattice in which samples lie.

    Attributes
    ----------
    i, j : int32 (n, n)
        Column and row of the cell of each sample.
    u, v : float32 (n, n)
        Position of each sample in its cell, from -0.5 to 0.5.
    """

    i: Integers
    j: Integers
    u: Array
    v: Array

    def lots(self, rng: np.random.Generator) -> Array:
        """Return a random number in [0, 1) of each sample's cell; they repeat after 31 cells."""
        table = rng.random((31, 31), dtype=np.float32)
        return table[self.i % 31, self.j % 31]


def lattice(x: Array, y: Array) -> Cells:
    """Return a lattice of square cells of side 1, which are centred on the integers.

    Examples
    --------
    >>> cells = lattice(np.array([[1.25]]), np.array([[-0.25]]))
    >>> int(cells.i[0, 0]), int(cells.j[0, 0]), float(cells.u[0, 0]), float(cells.v[0, 0])
    (1, 0, 0.25, -0.25)
    """
    i, j = np.floor(x + 0.5), np.floor(y + 0.5)
    return Cells(i.astype(np.int32), j.astype(np.int32), x - i, y - j)


def half_drop(x: Array, y: Array) -> Cells:
    """Return a lattice of square cells of side 1 in half drop, the usual layout of printed cloth.

    Every other column is shifted down by half a cell.
    """
    i = np.floor(x + 0.5)
    dropped = y - 0.5 * (i % 2.0)
    j = np.floor(dropped + 0.5)
    return Cells(i.astype(np.int32), j.astype(np.int32), x - i, dropped - j)


def scattered(cells: Cells, rng: np.random.Generator, reach: float, whirl: float) -> Cells:
    """Shift and rotate the motif of each cell at random.

    Shifts are up to `reach` repeats, and rotations up to `whirl` radians, in both directions.
    """
    u = cells.u - (cells.lots(rng) - 0.5) * (2.0 * reach)
    v = cells.v - (cells.lots(rng) - 0.5) * (2.0 * reach)
    u, v = turn(u, v, (cells.lots(rng) - 0.5) * (2.0 * whirl))
    return Cells(cells.i, cells.j, u, v)
