"""Pairs of pictures that may be copies: by their vectors, and by how they look in a few pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.comparison.detail import is_judgeable, structure
from clr_search.analysis.comparison.overlay import Box, Sketch
from clr_search.analysis.grouping import near_pairs

Pixels = NDArray[np.uint8]
"""A decoded RGB picture, shape (h, w, 3)."""

_SIDE = 8  # pixels a side of what pictures are compared by roughly
_ALIKE, _TURNED_ALIKE = 0.9, 0.95  # least correlation of candidates, as they are; turned or cut
_CUTS: tuple[Box, ...] = (
    (0.0, 0.0, 0.9, 0.9),
    (0.1, 0.0, 1.0, 0.9),
    (0.0, 0.1, 0.9, 1.0),
    (0.1, 0.1, 1.0, 1.0),
    (0.05, 0.05, 0.95, 0.95),
)
"""Parts that are compared with whole pictures: in 8 × 8 pixels, those cut by 5 to 15 % look like
one of them. Vectors of a page without its margin differ by more than those of two pages."""

_SHAPE = 1.4  # greatest ratio of the shapes (width by height) of two copies
_HIDDEN = 0.5  # share of the contrast that a sketch keeps of a picture of finer structure
_THREADS = 4

TURNS: tuple[Image.Transpose | None, ...] = (None, *Image.Transpose)
"""The ways in which a copy may be mirrored or turned; None for not at all."""

_SWAPPING = frozenset(
    {
        Image.Transpose.ROTATE_90,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSPOSE,
        Image.Transpose.TRANSVERSE,
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is kept of a picture while copies are searched for, about 5 kB.

    Attributes
    ----------
    sketch : Sketch
        The picture at 64 pixels a side.
    shape : float
        Its width by its height.
    judgeable : bool
        Whether it has enough structure to be compared; not so if it is blank or dark.
    hidden : bool
        Whether its structure is too fine for the sketch.
    """

    sketch: Sketch
    shape: float
    judgeable: bool
    hidden: bool

    @classmethod
    def of(cls, pixels: Pixels) -> Look:
        """Returns what is kept of a decoded picture."""
        image = Image.fromarray(pixels).convert("L")
        image.thumbnail((256, 256))
        fine = float(np.asarray(image).std())
        sketch = Sketch(pixels)
        rough = float(np.asarray(sketch.image.resize((32, 32), Image.Resampling.BOX)).std())
        shape = pixels.shape[1] / pixels.shape[0]
        return cls(sketch, shape, is_judgeable(structure(pixels)), rough < _HIDDEN * fine)


def looks(
    decode: Callable[[int], Pixels | None], count: int, advance: Callable[[], None]
) -> dict[int, Look]:
    """Returns what is kept of the pictures that can be read, by position."""

    def look(position: int) -> Look | None:
        pixels = decode(position)
        return None if pixels is None else Look.of(pixels)

    found = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for position, seen in enumerate(pool.map(look, range(count))):
            advance()
            if seen is not None:
                found[position] = seen
    return found


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two positions, and the way in which the second may be turned."""

    first: int
    second: int
    turn: Image.Transpose | None


def candidates(
    rows: NDArray[np.float32], looked: dict[int, Look], cosine: float
) -> list[Candidate]:
    """Returns pairs that may be copies, the most alike first.

    Parameters
    ----------
    rows : float32 array, shape (N, D)
        Unit vectors of the pictures.
    looked : dict of int to Look
        What is kept of them, by position; pictures that are missing here are in no pair.
    cosine : float
        Least cosine of the vectors of a pair. Pairs that look alike in a few pixels come in, too.
    """
    usable = [position for position, look in looked.items() if look.judgeable]
    if len(usable) < 2:
        return []
    small = [np.stack([_small(looked[p].sketch.turned(t)) for p in usable]) for t in TURNS]
    found: list[tuple[float, Candidate]] = []

    def collect(pairs: NDArray[np.int64], scores: NDArray[np.float32], turn: object) -> None:
        for (one, other), score in zip(pairs.tolist(), scores.tolist(), strict=True):
            candidate = Candidate(usable[one], usable[other], turn)  # type: ignore[arg-type]
            if _shapes_fit(looked, candidate):
                found.append((score, candidate))

    collect(*near_pairs(rows[usable], cosine), None)
    collect(*near_pairs(small[0], _ALIKE), None)
    for turn, turned in zip(TURNS[1:], small[1:], strict=True):
        collect(*near_pairs(small[0], _TURNED_ALIKE, turned), turn)
    for box in _CUTS:
        cut = np.stack([_small(looked[p].sketch, box) for p in usable])
        collect(*near_pairs(small[0], _TURNED_ALIKE, cut), None)
        collect(*near_pairs(cut, _TURNED_ALIKE, small[0]), None)
    found.sort(key=lambda pair: -pair[0])
    return list(dict.fromkeys(candidate for _, candidate in found))


def _small(sketch: Sketch, box: Box = (0.0, 0.0, 1.0, 1.0)) -> NDArray[np.float32]:
    """Returns a part of a sketch in 8 × 8 pixels, centred and of unit length; zeros if even."""
    left, top, right, bottom = (share * sketch.image.width for share in box)
    small = sketch.image.resize(
        (_SIDE, _SIDE), Image.Resampling.BOX, box=(left, top, right, bottom)
    )
    values = np.asarray(small, np.float32)
    centred = values.ravel() - values.mean()
    length = float(np.linalg.norm(centred))
    unit: NDArray[np.float32] = centred / length if length > _SIDE else np.zeros_like(centred)
    return unit


def _shapes_fit(looked: dict[int, Look], pair: Candidate) -> bool:
    """Whether the shapes of two pictures are those of copies."""
    one, other = looked[pair.first].shape, looked[pair.second].shape
    ratio = one * other if pair.turn in _SWAPPING else one / other
    return 1 / _SHAPE <= ratio <= _SHAPE


def turns_by_likeness(one: Sketch, other: Sketch) -> Sequence[Image.Transpose | None]:
    """Returns the ways in which the second of two pictures may be turned, the likeliest first."""
    first = _small(one)
    scores = [float(first @ _small(other.turned(turn))) for turn in TURNS]
    return [TURNS[at] for at in np.argsort([-score for score in scores], kind="stable")]
