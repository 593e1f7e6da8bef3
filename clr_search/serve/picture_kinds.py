"""Each kind of picture that a caller may give, turned into pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.files.stores.address import ObjectPath
from clr_search.images import Frame

_TENSORS = (
    "Give tensors as torchvision makes them: uint8, or floating point from 0 to 1, of shape "
    "(3, height, width), and not yet normalised."
)


def square_of(picture: object, position: int, frame: Frame | int) -> NDArray[np.uint8] | None:
    """Return a picture as the square of a frame, uint8 (S, S, 3); None if it is no picture.

    Parameters
    ----------
    picture : object
        A path, bytes, a file object, a Pillow image, an array or a tensor.
    position : int
        Its position among the pictures, for messages.
    frame : Frame or int
        How the picture becomes a square; a number is the side of its central one.

    Raises
    ------
    UsageError
        If it is a tensor of another shape or range, or a file object that is open for text.
    ClrSearchError
        If it cannot be decoded; the message names the file, or the position.
    """
    from PIL import Image

    name = f"Picture {position}"
    if isinstance(picture, (str, os.PathLike)):
        path = os.fsdecode(picture)
        # A text that is an address is none to fetch: only what is one by its type.
        source = picture if isinstance(picture, ObjectPath) else Path(path)
        return _decoded(source, path, frame)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return _decoded(bytes(picture), name, frame)
    if isinstance(picture, Image.Image):
        return images.square(images.pixels_of(picture, "embedded", name), frame)
    if hasattr(picture, "read"):
        return _of_stream(picture, name, frame)
    if is_tensor(picture):
        picture = from_tensor(picture)
    if (
        isinstance(picture, np.ndarray)
        and picture.dtype == np.uint8
        and picture.ndim == 3
        and picture.shape[2] == 3
        and picture.size
    ):
        return images.square(picture, frame)
    return None


def _decoded(source: Path | bytes, name: str, frame: Frame | int) -> NDArray[np.uint8]:
    """Return the square of a file, or of the bytes of one, that messages call `name`."""
    try:
        data = source if isinstance(source, bytes) else images.read(source)[0]
        return images.decode_square(data, frame).pixels
    except ImageError as error:
        raise ClrSearchError(f"{name} cannot be embedded: {error.what}.", error.remedy) from error


def _of_stream(stream: Any, name: str, frame: Frame | int) -> NDArray[np.uint8]:
    """Return the square of a file object, which is read from where it stands to its end."""
    named = getattr(stream, "name", None)
    name = named if isinstance(named, str) and named else name
    try:
        data = stream.read(images.MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the file object is closed.
        raise ClrSearchError(f"{name} cannot be embedded: it cannot be read: {error}.") from error
    if isinstance(data, str):
        raise UsageError(f"{name} is open for text.", 'Open it for bytes: open(path, "rb").')
    if len(data) > images.MAX_BYTES:
        raise ClrSearchError(
            f"{name} cannot be embedded: it is larger than {images.MAX_BYTES:,} bytes."
        )
    return _decoded(bytes(data), name, frame)


def is_tensor(value: object) -> bool:
    """Return whether a value is an array of another library, such as a tensor of PyTorch.

    Examples
    --------
    >>> is_tensor(np.zeros(3)), is_tensor([1, 2])
    (False, False)
    """
    arrays = hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")
    # The columns of pandas are arrays by this measure, too, but hold paths: they are iterated over.
    return arrays and not isinstance(value, (np.ndarray, np.generic)) and not hasattr(value, "iloc")


def from_tensor(tensor: Any) -> NDArray[np.uint8]:
    """Return the pixels of a tensor, uint8 (h, w, 3), or (N, h, w, 3) of a batch of them.

    Channels come first, as in PyTorch, or last; three of them are RGB, and one is grey. Numbers
    are uint8, or floating point from 0 to 1, as `torchvision.transforms.ToTensor` makes them.

    Raises
    ------
    UsageError
        If the tensor has another shape, another type, or numbers outside of 0 to 1, as normalised
        pictures have.
    """
    ours = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    # `numpy` of PyTorch has no bfloat16, which `float` turns into float32.
    wide = ours.float() if str(getattr(ours, "dtype", "")).endswith("bfloat16") else ours
    pixels = np.asarray(wide)
    if pixels.ndim not in (3, 4) or not pixels.size:
        raise UsageError(f"A tensor has the shape {tuple(pixels.shape)}.", _TENSORS)
    if pixels.shape[-3] in (1, 3):
        pixels = np.moveaxis(pixels, -3, -1)
    elif pixels.shape[-1] not in (1, 3):
        raise UsageError(f"A tensor has the shape {tuple(pixels.shape)}.", _TENSORS)
    if pixels.dtype.kind == "f":
        pixels = _from_fractions(pixels)
    if pixels.dtype != np.uint8:
        raise UsageError(f"A tensor has numbers of the type {pixels.dtype}.", _TENSORS)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:-1], 3)))


def _from_fractions(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return floating point numbers from 0 to 1 as whole ones from 0 to 255."""
    least, most = float(pixels.min()), float(pixels.max())
    if not (least >= 0 and most <= 1):  # Also where a number is not finite.
        raise UsageError(f"A tensor has numbers from {least:g} to {most:g}.", _TENSORS)
    return np.asarray(np.rint(pixels.astype(np.float64) * 255), np.uint8)


def spell(value: object) -> str:
    """Return what a value is, for messages.

    Examples
    --------
    >>> spell(np.zeros((2, 3))), spell(None)
    ('a float64 array of shape (2, 3)', 'an object of type NoneType')
    """
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    return f"an object of type {type(value).__name__}"
