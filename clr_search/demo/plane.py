"""The plane a pattern is drawn on, and the small vocabulary patterns are written in.

A pattern is a pure function ``(plane, rng) -> list[Layer]``: coverages in [0, 1] painted one over
the other on the ground colour. Distances are signed (negative inside) and in repeats of the
pattern, so edges are softened over exactly one sample whatever the scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Float32 throughout; the type is wider because NumPy's stubs lose the width beside a `float`."""
Integers = NDArray[np.int32]


class Layer(NamedTuple):
    """One colour painted over what lies below.

    Attributes
    ----------
    colour : int
        Role in the palette, such as `palettes.MAIN`.
    coverage : float32 (n, n)
        From 0 (nothing) to 1 (opaque).
    """

    colour: int
    coverage: Array


@dataclass(frozen=True, slots=True)
class Plane:
    """Sample positions in pattern coordinates.

    Attributes
    ----------
    x, y : float32 (n, n)
        Position in repeats of the pattern, already scaled, rotated, shifted and bent by folds.
    repeats : float
        Repeats across the swatch.
    """

    x: Array
    y: Array
    repeats: float

    @property
    def sample(self) -> float:
        """Side of one sample, in repeats."""
        return self.repeats / float(self.x.shape[0])

    def inside(self, distance: Array, softness: float = 1.0) -> Array:
        """Coverage of the region where `distance` < 0, its edge softened over that many samples."""
        coverage: Array = (0.5 - distance / (self.sample * softness)).clip(0.0, 1.0)
        return coverage

    def noise(self, rng: np.random.Generator, frequency: float, stretch: float = 1.0) -> Array:
        """Smooth noise with about `frequency` bumps a repeat; see `smooth_field`.

        With `stretch` above 1 the bumps are that much longer from top to bottom of the picture.
        """
        cells = self.repeats * frequency
        return smooth_field(rng, self.x.shape[0], cells / stretch, cells)


Pattern = Callable[[Plane, np.random.Generator], list[Layer]]


def smooth_field(rng: np.random.Generator, side: int, rows: float, columns: float) -> Array:
    """Draw band-limited noise: a random grid interpolated by cubic B-splines.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the grid.
    side : int
        Side of the field.
    rows, columns : float
        Grid cells across the field, from top to bottom and from left to right.

    Returns
    -------
    float32 (side, side)
        Mean about 0, standard deviation about 1.
    """
    down, across = _spline(side, rows), _spline(side, columns)
    grid = rng.standard_normal((down.shape[1], across.shape[1]), dtype=np.float32)
    field: Array = down @ grid @ across.T
    return field * 2.2  # the spline averages neighbours; this restores a deviation of about 1


def _spline(side: int, cells: float) -> Array:
    """Cubic B-spline weights (side, ceil(cells) + 3) of a grid at `side` positions."""
    position = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(cells / side) + 1.0
    knots = np.arange(math.ceil(cells) + 3, dtype=np.float32)
    t = np.abs(position[:, None] - knots)
    near = 2 / 3 - t * t * (1 - t / 2)
    far = (2 - t).clip(0.0, None) ** 3 / 6
    weights: Array = np.where(t < 1, near, far).astype(np.float32)
    return weights


def wrap(t: Array) -> Array:
    """Distance to the nearest integer, signed, in [-0.5, 0.5)."""
    offset: Array = t - np.floor(t + 0.5)
    return offset


def zigzag(t: Array) -> Array:
    """Triangle wave of period 1: 0 at integers, 1 half-way between."""
    wave: Array = np.abs(wrap(t)) * 2.0
    return wave


def smooth(t: Array) -> Array:
    """Hermite step: 0 below 0, 1 above 1, smooth between."""
    t = t.clip(0.0, 1.0)
    step: Array = t * t * (3.0 - 2.0 * t)
    return step


def turn(x: Array, y: Array, angle: Array | float) -> tuple[Array, Array]:
    """Rotate coordinates by `angle` radians, one for all or one each."""
    if isinstance(angle, float):
        c, s = math.cos(angle), math.sin(angle)
        return x * c + y * s, y * c - x * s
    cosine, sine = np.cos(angle), np.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


class Cells(NamedTuple):
    """A lattice: the cell (column i, row j) of each sample and the position in it, ±0.5."""

    i: Integers
    j: Integers
    u: Array
    v: Array

    def lots(self, rng: np.random.Generator) -> Array:
        """A random number in [0, 1) for each cell (repeating after 31 cells)."""
        table = rng.random((31, 31), dtype=np.float32)
        return table[self.i % 31, self.j % 31]


def lattice(x: Array, y: Array) -> Cells:
    """Square cells of side 1, centred on the integers."""
    i, j = np.floor(x + 0.5), np.floor(y + 0.5)
    return Cells(i.astype(np.int32), j.astype(np.int32), x - i, y - j)


def half_drop(x: Array, y: Array) -> Cells:
    """Square cells of side 1, every other column dropped by half, as cloth is mostly printed."""
    i = np.floor(x + 0.5)
    dropped = y - 0.5 * (i % 2.0)
    j = np.floor(dropped + 0.5)
    return Cells(i.astype(np.int32), j.astype(np.int32), x - i, dropped - j)


def scattered(cells: Cells, rng: np.random.Generator, reach: float, whirl: float) -> Cells:
    """Move and turn each cell's motif at random: up to `reach` repeats, up to `whirl` radians."""
    u = cells.u - (cells.lots(rng) - 0.5) * (2.0 * reach)
    v = cells.v - (cells.lots(rng) - 0.5) * (2.0 * reach)
    u, v = turn(u, v, (cells.lots(rng) - 0.5) * (2.0 * whirl))
    return Cells(cells.i, cells.j, u, v)
