"""Correlation of the brightness of two pictures that are laid over each other.

A vector describes the content of a picture, and two photographs of the same bed of flowers may have
nearly the same vector. A copy also has every light and dark spot at the same position, apart from
a margin that was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 64  # pixels a side of a sketch: its cuts have more detail than is compared
_COMPARED = 32  # pixels a side that are compared: JPEG and scaling change finer detail
_CUTS = (0.95, 0.9, 0.85)  # sides of the cuts, as shares of the whole, at nine positions each

Box = tuple[float, float, float, float]
"""Left, top, right and bottom of a part of a picture, as shares of its sides, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How two pictures lie over each other best.

    Attributes
    ----------
    correlation : float
        Correlation of their brightness there, in [-1, 1].
    first, second : tuple of four floats
        The parts of the two pictures that show the same.
    """

    correlation: float
    first: Box
    second: Box


class Sketch:
    """A picture reduced to a grey square of 64 pixels a side.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        The RGB picture.

    Attributes
    ----------
    image : PIL image
        The grey square.

    Examples
    --------
    >>> Sketch(np.zeros((6, 8, 3), np.uint8)).image.size
    (64, 64)
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        grey = Image.fromarray(pixels).convert("L")
        self.image = grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR)

    def turned(self, transpose: Image.Transpose | None) -> Sketch:
        """Returns the sketch of the picture mirrored or turned; None leaves it as it is."""
        if transpose is None:
            return self
        sketch = Sketch.__new__(Sketch)
        sketch.image = self.image.transpose(transpose)
        return sketch


def placed(one: Sketch, other: Sketch, turn: Image.Transpose | None = None) -> Placement:
    """Returns the placement of the greatest correlation, whole or with one of the two cut.

    A cut leaves out up to 15 % of the width and height. A sketch without any contrast has
    correlation 0 with all others. With `turn`, the second is mirrored or turned.

    Examples
    --------
    >>> sketch = Sketch(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    >>> round(placed(sketch, sketch).correlation, 3), placed(sketch, sketch).first
    (1.0, (0.0, 0.0, 1.0, 1.0))
    """
    first, second = _cuts(one), _cuts(other)
    if turn is not None:
        second = _turned(second, turn)
    by_first, by_second = first @ second[0], second @ first[0]
    if by_first.max() >= by_second.max():
        at = int(by_first.argmax())
        return Placement(float(by_first[at]), _BOXES[at], _BOXES[0])
    at = int(by_second.argmax())
    return Placement(float(by_second[at]), _BOXES[0], _BOXES[at])


def correlation(one: Sketch, other: Sketch) -> float:
    """Returns the greatest correlation of one sketch with the other, whole or cut, in [-1, 1].

    Examples
    --------
    >>> sketch = Sketch(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    >>> round(correlation(sketch, sketch), 3)
    1.0
    """
    return placed(one, other).correlation


def _boxes() -> Iterator[Box]:
    """Yields the whole and its 27 cuts, row by row."""
    yield 0.0, 0.0, 1.0, 1.0
    for share in _CUTS:
        margin = (1 - share) / 2
        for position in range(9):
            left, top = position % 3 * margin, position // 3 * margin
            yield left, top, min(1.0, left + share), min(1.0, top + share)


_BOXES = tuple(_boxes())


@lru_cache(maxsize=1024)  # 115 kB each, as a picture is compared several times in a row
def _cuts(sketch: Sketch) -> NDArray[np.float32]:
    """Returns the whole and its cuts, centred and of unit length, float32 (28, 1024)."""
    across, down = _weights()
    grey = np.asarray(sketch.image, np.float32)
    cuts = (down @ grey @ across).reshape(len(_BOXES), -1)
    cuts -= cuts.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(cuts, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.where(lengths > 1, cuts / np.maximum(lengths, 1), 0)
    return unit


@lru_cache(maxsize=1)
def _weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns what scales the boxes of a sketch: float32 (28, 64, 32) across, (28, 32, 64) down."""
    points = Image.fromarray(np.eye(_SIDE, dtype=np.float32))

    def scaled(low: float, high: float) -> NDArray[np.float32]:
        box = (0, low * _SIDE, _SIDE, high * _SIDE)
        return np.asarray(points.resize((_SIDE, _COMPARED), Image.Resampling.BILINEAR, box=box))

    across = [scaled(left, right).T for left, _, right, _ in _BOXES]
    return np.stack(across), np.stack([scaled(top, bottom) for _, top, _, bottom in _BOXES])


def _turned(cuts: NDArray[np.float32], turn: Image.Transpose) -> NDArray[np.float32]:
    """Returns the cuts of a picture that is mirrored or turned, by those of the picture."""
    places = np.arange(9, dtype=np.uint8).reshape(3, 3)
    order = np.asarray(Image.fromarray(places).transpose(turn)).ravel()
    rows = np.concatenate([[0], *(1 + 9 * cut + order for cut in range(len(_CUTS)))])
    squares = cuts[rows].reshape(-1, _COMPARED, _COMPARED)
    return _TURNS[turn](squares).reshape(len(rows), -1)


_TURNS: dict[Image.Transpose, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    Image.Transpose.FLIP_LEFT_RIGHT: lambda squares: squares[:, :, ::-1],
    Image.Transpose.FLIP_TOP_BOTTOM: lambda squares: squares[:, ::-1],
    Image.Transpose.ROTATE_90: lambda squares: squares.transpose(0, 2, 1)[:, ::-1],
    Image.Transpose.ROTATE_180: lambda squares: squares[:, ::-1, ::-1],
    Image.Transpose.ROTATE_270: lambda squares: squares.transpose(0, 2, 1)[:, :, ::-1],
    Image.Transpose.TRANSPOSE: lambda squares: squares.transpose(0, 2, 1),
    Image.Transpose.TRANSVERSE: lambda squares: squares.transpose(0, 2, 1)[:, ::-1, ::-1],
}
