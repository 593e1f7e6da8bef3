"""Pictures from callers (paths, bytes, arrays, tensors, …) become squares of the encoder's size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError
from clr_search.serve.picture_kinds import from_tensor, is_tensor, spell, square_of

if TYPE_CHECKING:
    from PIL.Image import Image

Picture: TypeAlias = "NDArray[np.uint8] | Image | os.PathLike[str] | str | bytes | IO[bytes] | Any"
"""One picture: a path, the bytes of a file, a file object open for reading bytes, a Pillow image, a
uint8 RGB array of shape (h, w, 3), or a tensor (see `picture_kinds.from_tensor`)."""

Pictures: TypeAlias = "Picture | Iterable[Picture]"
"""One picture or many: an array of shape (N, h, w, 3), a batch of tensors, an array of paths, or
any iterable, which may mix kinds."""

Errors: TypeAlias = "Literal['raise', 'skip'] | Callable[[int, ClrSearchError], object]"
"""What is done about a picture that cannot be read: the error is raised; or the picture is skipped
with a warning; or the function is called with its position and the error, and it is skipped."""

_REMEDY = "Give RGB pictures as uint8 arrays of shape (height, width, 3), paths or bytes of files."


def in_batches(
    pictures: Pictures, size: int, most: int, errors: Errors = "raise"
) -> Iterator[NDArray[np.uint8]]:
    """Crop and shrink pictures to squares, and yield them in batches.

    Parameters
    ----------
    pictures : Pictures
        One picture or many.
    size : int
        Side of the squares in pixels.
    most : int
        Largest number of pictures in a batch.
    errors : "raise", "skip" or callable
        What is done about a picture that cannot be read.

    Yields
    ------
    uint8 array, shape (n, size, size, 3)
        RGB; 1 ≤ n ≤ `most`.

    Raises
    ------
    UsageError
        If an item is not a picture, or is an array of another shape or dtype, whatever `errors` is:
        that is a mistake in the program, not in a file.
    ClrSearchError
        If a file or Pillow image cannot be decoded; the message names it.

    Examples
    --------
    >>> pictures = np.zeros((5, 30, 40, 3), np.uint8)
    >>> [batch.shape for batch in in_batches(pictures, size=8, most=3)]
    [(3, 8, 8, 3), (2, 8, 8, 3)]
    """
    told = _told(errors)
    squares = _squares(pictures, size, told)
    while batch := list(islice(squares, most)):
        yield np.stack(batch)


def _told(errors: Errors) -> Callable[[int, ClrSearchError], object] | None:
    """Return the function that is told of a picture that is skipped; None where it is an error."""
    if errors == "raise":
        return None
    if errors == "skip":
        return _warn
    if callable(errors):
        return errors
    raise UsageError(
        f"errors is {errors!r}.", "It is 'raise', 'skip', or a function of a position and an error."
    )


def _warn(position: int, error: ClrSearchError) -> None:
    """Warn that the picture at a position was skipped."""
    warnings.warn(f"Skipped picture {position}: {error.what}", UserWarning, stacklevel=6)


def _squares(
    pictures: Pictures, size: int, told: Callable[[int, ClrSearchError], object] | None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the square of each picture that can be read."""
    for position, picture in enumerate(_many(pictures)):
        try:
            square = square_of(picture, position, size)
        except UsageError:
            raise
        except ClrSearchError as error:
            if told is None:
                raise
            told(position, error)
            continue
        if square is None:
            raise UsageError(f"Picture {position} is {spell(picture)}.", _REMEDY)
        yield square


def check_squares(pixels: NDArray[Any], size: int) -> None:
    """Raise UsageError unless `pixels` is a uint8 array of shape (N, size, size, 3).

    Examples
    --------
    >>> check_squares(np.zeros((2, 8, 8, 3), np.uint8), size=8)
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 4:
        raise UsageError(f"Expected squares, but got {spell(pixels)}.", _expected(size))
    if pixels.shape[1:] != (size, size, 3):
        raise UsageError(f"Expected squares, but got {spell(pixels)}.", _expected(size))


def _expected(size: int) -> str:
    """Return the remedy for an array that is not one of squares."""
    return f"Give a uint8 array of shape (N, {size}, {size}, 3), or use encode()."


def _many(pictures: Pictures) -> Iterable[Any]:
    """Return an iterable of pictures, also for a single one."""
    from PIL import Image

    single = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
    if isinstance(pictures, single) or hasattr(pictures, "read"):
        return [pictures]
    if isinstance(pictures, np.ndarray):
        return _of_array(pictures)
    if is_tensor(pictures):
        pixels = from_tensor(pictures)
        return pixels if pixels.ndim == 4 else [pixels]
    if isinstance(pictures, Iterable):
        return pictures
    raise UsageError(f"Expected pictures, but got {spell(pictures)}.", _REMEDY)


def _of_array(pictures: NDArray[Any]) -> Iterable[Any]:
    """Return the pictures that an array of pixels, of paths or of objects holds."""
    if pictures.dtype.kind == "S":  # Paths as bytes; their items would pass for bytes of files.
        return [os.fsdecode(path) for path in pictures.ravel().tolist()]
    if pictures.dtype.kind in "UOT" and pictures.ndim <= 1:
        return list(pictures.ravel().tolist())
    return pictures if pictures.ndim == 4 else [pictures]
