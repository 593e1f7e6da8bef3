"""Bytes to upright RGB pixels: every common format and mode, within limits, one reason per failure.

What is decoded: JPEG, PNG, WebP, GIF (first frame), BMP, TIFF (first page), AVIF where Pillow has
it, and HEIC with the extra `heif`. The format is taken from the first bytes, never from the name,
and the readers of those formats are called directly: none of Pillow's others (PostScript, fonts, …)
ever sees a file. What its structure asks for is bounded before that (`images.structure`), and the
size of a picture is checked before and after its header is read, without touching
`PIL.Image.MAX_IMAGE_PIXELS`, which belongs to the whole process.

Everything here is safe to call from many threads, and Pillow releases the interpreter lock while it
decodes. Warnings that Pillow gives on damaged EXIF go through Python's `warnings` as usual;
silencing them is for the application, since filters belong to the whole process too.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.files.stores.address import ObjectPath
from clr_search.images.colour.modes import upright
from clr_search.images.formats import kind_of, reason_of
from clr_search.images.geometry import Frame, enough_for, squared
from clr_search.images.limits import LARGE_PIXELS, MAX_BYTES, pixel_limit
from clr_search.images.picture import Picture
from clr_search.images.reading import open_picture

if TYPE_CHECKING:
    from PIL import Image

DECODING = 2
"""Version of what pictures are decoded to; a collection keeps that of its oldest embeddings.

1 knew no ICC profiles, scaled samples by what their type holds, and laid all transparency over
white. Pictures of 8 bits in sRGB, opaque or dark on transparent, are the same in 1 and 2.
"""

_LARGE = threading.Lock()


class Host(Protocol):
    """Where pictures are decoded: this process, or a worker with limits (`images.isolation`)."""

    def expect(self, pixels: int, work: int) -> None:
        """Take note of the pixels that headers promise, before memory is taken for them.

        Parameters
        ----------
        pixels : int
            Pixels that a decoder holds at once.
        work : int
            Pixels that are looked at, also those of further frames.
        """

    def turn(self, pixels: int) -> AbstractContextManager[object]:
        """Return a context in which so many pixels may be decoded."""


def decode(data: bytes, *, at_least: int | None = None, max_pixels: int | None = None) -> Picture:
    """Decode a picture file.

    Colours become those of sRGB, by the ICC profile of the file; values of more than 8 bits are
    scaled by the range that is used; transparency is laid over white, or where what is drawn would
    vanish on it, over a ground that contrasts; a later frame stands for an animation whose first is
    empty; the EXIF orientation is applied.

    Parameters
    ----------
    data : bytes
        Content of the file.
    at_least : int, optional
        Let a JPEG be decoded at 1/2, 1/4 or 1/8 of its size in the DCT domain (several times
        faster), so long as its shorter side keeps at least this many pixels.
    max_pixels : int, optional
        Refuse pictures that have more, by their header; `limits.pixel_limit` by default.

    Raises
    ------
    ImageError
        If the bytes are no picture, broken, cut off by more than a quarter, or beyond the limits,
        or if their structure could cost more than their pixels do; `what` is the reason.

    Examples
    --------
    Tell what was not read of a file::

        picture = decode(Path("photo.jpg").read_bytes())
        for note in picture.notes:
            print(note)
    """
    if at_least is not None and at_least < 1:
        raise UsageError(f"at_least is {at_least}; it must be 1 or more.")
    return decode_on(_HERE, data, at_least, pixel_limit(max_pixels), np.array)


class _ThisProcess:
    """Decoding in this process, without limits on single pictures."""

    def expect(self, pixels: int, work: int) -> None:
        """Do nothing."""

    def turn(self, pixels: int) -> AbstractContextManager[object]:
        """Wait until no other large picture is being decoded, if this is one."""
        return _LARGE if pixels > LARGE_PIXELS else nullcontext()


_HERE = _ThisProcess()


def decode_on(
    host: Host,
    data: bytes,
    at_least: int | None,
    max_pixels: int,
    finish: Callable[[Image.Image], NDArray[np.uint8]],
) -> Picture:
    """What `finish` makes of the upright sRGB image, decoded where `host` says; see `decode`."""
    kind = kind_of(data)
    try:
        opened = open_picture(data, kind, at_least, max_pixels, host.expect)
        with host.turn(opened.held):
            whole = opened.read()
            pixels = finish(whole.image)
    except ImageError:
        raise
    except Exception as error:  # decoders of damaged files raise anything at all
        raise ImageError(reason_of(kind, error)) from error
    return Picture(pixels, whole.width, whole.height, whole.notes)


class Load(Protocol):
    """What decodes files: `load`, or a `DecodingWorkers.load`."""

    def __call__(self, path: Path, *, at_least: int) -> Picture:
        """Return the picture of a file, at a reduced size if its sides stay this long."""


def load(path: Path, *, at_least: int | None = None, max_pixels: int | None = None) -> Picture:
    """Read and decode a picture file; see `decode`.

    Raises
    ------
    ImageError
        As `decode`, and where the file cannot be read. The reason does not repeat the path.
    """
    return decode(read(path)[0], at_least=at_least, max_pixels=max_pixels)


def read(
    path: Path, of_object: Callable[[ObjectPath], tuple[bytes, os.stat_result]] | None = None
) -> tuple[bytes, os.stat_result]:
    """Read a file of at most `MAX_BYTES`, with its status taken before the first byte was read.

    A file that is changed while it is read thus carries the older time, and a later comparison
    with the disk sees that it has changed.

    Parameters
    ----------
    path : Path
        The file, or an object of a store.
    of_object : callable, optional
        Reads objects, such as `ReadAhead.read`; they are read here and now if not given.

    Raises
    ------
    ImageError
        If it is missing, no regular file, too large, or may not be read; of an object, the
        subclass `StoreError` where its store as a whole cannot be read.
    """
    try:
        if isinstance(path, ObjectPath):
            return (of_object or _object)(path)
        # Looked at before opening: opening a named pipe would wait for a writer for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError("it is a folder" if path.is_dir() else "it is not a regular file")
        with path.open("rb") as handle:
            status = os.fstat(handle.fileno())
            if status.st_size > MAX_BYTES:
                raise ImageError(
                    f"{status.st_size:,} bytes are more than the limit of {MAX_BYTES:,}"
                )
            data = handle.read(MAX_BYTES + 1)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("the file does not exist") from None
    except PermissionError:
        raise ImageError("permission denied") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ImageError(
            f"it cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    if len(data) > MAX_BYTES:
        raise ImageError(f"it grew beyond the limit of {MAX_BYTES:,} bytes while it was read")
    return data, status


def _object(path: ObjectPath) -> tuple[bytes, os.stat_result]:
    """Reads an object of a store."""
    from clr_search.files.stores import reading

    return reading.read(path, MAX_BYTES)


def decode_square(data: bytes, frame: Frame | int, *, max_pixels: int | None = None) -> Picture:
    """Decode a picture file to the square that an encoder sees; see `decode` and `square`.

    Returns
    -------
    Picture
        Pixels of shape (S, S, 3), and the full size of the picture.

    Raises
    ------
    ImageError
        As `decode`.
    """
    return decode_on(
        _HERE, data, enough_for(frame), pixel_limit(max_pixels), lambda image: squared(image, frame)
    )


def from_image(image: Image.Image) -> Picture:
    """Pixels of a Pillow image, upright, in sRGB; see `decode`.

    Raises
    ------
    ImageError
        If the image is too large, or its file turns out to be broken when it is loaded.
    """
    if image.size[0] * image.size[1] > pixel_limit() or 0 in image.size:
        raise ImageError(f"{image.size[0]:,} × {image.size[1]:,} pixels are not within the limits")
    try:
        whole, _ = upright(image)
        return Picture(np.array(whole), *whole.size)
    except Exception as error:  # as in `decode`
        raise ImageError(reason_of(image.format or "image", error)) from error


def pixels_of(image: Image.Image, done: str, otherwise: str = "The picture") -> NDArray[np.uint8]:
    """Return the upright RGB pixels of an image, uint8 (h, w, 3); an error names its file.

    Parameters
    ----------
    image : PIL image
        An image of a file, or one made in memory.
    done : str
        Participle for the message, such as ``"embedded"`` for "cannot be embedded".
    otherwise : str
        Name for the message if the image has no file.

    Raises
    ------
    ClrSearchError
        If the image is too large, or broken.
    """
    try:
        return from_image(image).pixels
    except ImageError as error:
        name = getattr(image, "filename", "") or otherwise
        raise ClrSearchError(f"{name} cannot be {done}: {error.what}.") from error
