"""Pictures from callers (arrays, Pillow images, paths) become squares of the encoder's size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ClrSearchError, ImageError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "NDArray[np.uint8] | Image | Path | str"
"""One picture: a uint8 RGB array of shape (h, w, 3), a Pillow image, or a path."""

Pictures: TypeAlias = "Picture | Iterable[Picture]"
"""One picture or many: an array of shape (N, h, w, 3), or any iterable, which may mix kinds."""

_REMEDY = "Give RGB pictures as uint8 arrays of shape (height, width, 3)."


def in_batches(pictures: Pictures, size: int, most: int) -> Iterator[NDArray[np.uint8]]:
    """Crop and shrink pictures to squares, and yield them in batches.

    Parameters
    ----------
    pictures : Pictures
        One picture or many.
    size : int
        Side of the squares in pixels.
    most : int
        Largest number of pictures in a batch.

    Yields
    ------
    uint8 array, shape (n, size, size, 3)
        RGB; 1 ≤ n ≤ `most`.

    Raises
    ------
    UsageError
        If an item is not a picture, or is an array of another shape or dtype.
    ClrSearchError
        If a file or Pillow image cannot be decoded; the message names it.

    Examples
    --------
    >>> pictures = np.zeros((5, 30, 40, 3), np.uint8)
    >>> [batch.shape for batch in in_batches(pictures, size=8, most=3)]
    [(3, 8, 8, 3), (2, 8, 8, 3)]
    """
    squares = (_square(picture, number, size) for number, picture in enumerate(_many(pictures)))
    while batch := list(islice(squares, most)):
        yield np.stack(batch)


def check_squares(pixels: NDArray[Any], size: int) -> None:
    """Raise UsageError unless `pixels` is a uint8 array of shape (N, size, size, 3).

    Examples
    --------
    >>> check_squares(np.zeros((2, 8, 8, 3), np.uint8), size=8)
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise UsageError(f"Expected squares, but got {_spell(pixels)}.", _expected(size))
    if pixels.shape[1:] != (size, size, 3):
        raise UsageError(f"Expected squares, but got {_spell(pixels)}.", _expected(size))


def _expected(size: int) -> str:
    """Return the remedy for an array that is not one of squares."""
    return f"Give a uint8 array of shape (N, {size}, {size}, 3), or use encode()."


def _many(pictures: Pictures) -> Iterable[Any]:
    """Return an iterable of pictures, also for a single one."""
    from PIL import Image

    if isinstance(pictures, (str, Path, Image.Image)):
        return [pictures]
    if isinstance(pictures, np.ndarray):
        return pictures if pictures.ndim == 4 else [pictures]
    if isinstance(pictures, Iterable):
        return pictures
    raise UsageError(f"Expected pictures, but got {_spell(pictures)}.", _REMEDY)


def _square(picture: object, number: int, size: int) -> NDArray[np.uint8]:
    """Decode one picture to a square; `number` is its position, for messages."""
    from PIL import Image

    if isinstance(picture, (str, Path)):
        try:
            return images.decode_square(images.read(Path(picture))[0], size).pixels
        except ImageError as error:
            raise ClrSearchError(
                f"{picture} cannot be embedded: {error.what}.", error.remedy
            ) from error
    if isinstance(picture, Image.Image):
        return images.square(images.pixels_of(picture, "embedded", f"Picture {number}"), size)
    if (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and picture.ndim == 3
        and picture.shape[2] == 3
        and picture.size
    ):
        return images.square(picture, size)
    raise UsageError(f"Picture {number} is {_spell(picture)}.", _REMEDY)


def _spell(value: object) -> str:
    """Describe a value by its type, for messages."""
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    return f"an object of type {type(value).__name__}"
