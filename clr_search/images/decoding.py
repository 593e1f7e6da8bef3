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
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.images.colour_modes import upright
from clr_search.images.formats import kind_of, open_header, reason_of
from clr_search.images.geometry import enough_for, squared
from clr_search.images.rle import plain
from clr_search.images.structure import check

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 200_000_000
"""Most pixels of a picture, by its header: 600 MB as RGB; today's largest phone sensors fit."""

MAX_BYTES = 2**29
"""Most bytes of a file."""

LARGE_PIXELS = 2**25
"""Pictures decoding to more pixels than this are decoded one at a time, whatever the threads."""


_LARGE = threading.Lock()


class Picture(NamedTuple):
    """A decoded picture.

    Attributes
    ----------
    pixels : uint8 array, shape (h, w, 3)
        RGB, upright; smaller than (height, width) where a JPEG was decoded at a reduced scale.
    width, height : int
        Full size of the picture, upright.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int


def decode(data: bytes, *, at_least: int | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture file.

    Transparency is laid over white; 16-bit, integer and floating-point grey is scaled to 8 bits;
    CMYK, YCbCr and LAB are converted; the EXIF orientation is applied.

    Parameters
    ----------
    data : bytes
        Content of the file.
    at_least : int, optional
        Let a JPEG be decoded at 1/2, 1/4 or 1/8 of its size in the DCT domain (several times
        faster), so long as its shorter side keeps at least this many pixels.
    max_pixels : int
        Refuse pictures that have more, by their header.

    Raises
    ------
    ImageError
        If the bytes are no picture, broken, truncated, or beyond the limits, or if their structure
        could cost more than their pixels do; `what` is the reason.
    """
    if at_least is not None and at_least < 1:
        raise UsageError(f"at_least is {at_least}; it must be 1 or more.")
    return decode_on(_HERE, data, at_least, max_pixels, np.array)


class Host(Protocol):
    """Where pictures are decoded: this process, or a worker with limits (`images.isolation`)."""

    def expect(self, pixels: int) -> None:
        """Take note of the pixels that headers promise, before memory is taken for them."""

    def turn(self, pixels: int) -> AbstractContextManager[object]:
        """Return a context in which so many pixels may be decoded."""


class _ThisProcess:
    """Decoding in this process, without limits on single pictures."""

    def expect(self, pixels: int) -> None:
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
    """What `finish` makes of the upright RGB image, decoded where `host` says; see `decode`."""
    kind = kind_of(data)
    try:
        promised = check(data, kind)
        if promised is not None:
            _check_size(promised.width, promised.height, kind, max_pixels)
            host.expect(promised.width * promised.height)
        image = open_header(plain(data) if kind == "BMP" else data, kind)
        width, height = image.size
        _check_size(width, height, kind, max_pixels)
        if promised is None:
            host.expect(width * height)
        if at_least is not None and kind == "JPEG":
            image.draft(None, (at_least, at_least))
        held = image.size[0] * image.size[1]
        if promised is not None and promised.whole:
            held = max(held, promised.width * promised.height)
        with host.turn(held):
            whole, turned = upright(image)
            pixels = finish(whole)
    except ImageError:
        raise
    except Exception as error:  # decoders of damaged files raise anything at all
        raise ImageError(reason_of(kind, error)) from error
    if kind != "JPEG":  # Pillow turns a TIFF while loading, so only the result knows its shape
        return Picture(pixels, *whole.size)
    return Picture(pixels, *((height, width) if turned else (width, height)))


def _check_size(width: int, height: int, kind: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"the {kind} header says {width} × {height} pixels")
    if width * height > max_pixels:
        raise ImageError(f"{width:,} × {height:,} pixels are more than the limit of {max_pixels:,}")


def load(path: Path, *, at_least: int | None = None) -> Picture:
    """Read and decode a picture file; see `decode`.

    Raises
    ------
    ImageError
        As `decode`, and where the file cannot be read. The reason does not repeat the path.
    """
    return decode(read(path)[0], at_least=at_least)


def read(path: Path) -> tuple[bytes, os.stat_result]:
    """Read a file of at most `MAX_BYTES`, with its status taken before the first byte was read.

    A file that is changed while it is read thus carries the older time, and a later comparison
    with the disk sees that it has changed.

    Raises
    ------
    ImageError
        If it is missing, no regular file, too large, or may not be read.
    """
    try:
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


def decode_square(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture file to its central square of side `size`; see `decode` and `square`.

    Returns
    -------
    Picture
        Pixels of shape (size, size, 3), and the full size of the picture.

    Raises
    ------
    ImageError
        As `decode`.
    """
    return decode_on(_HERE, data, enough_for(size), max_pixels, lambda image: squared(image, size))


def from_image(image: Image.Image) -> Picture:
    """Pixels of a Pillow image, upright, in RGB over white; see `decode`.

    Raises
    ------
    ImageError
        If the image is too large, or its file turns out to be broken when it is loaded.
    """
    if image.size[0] * image.size[1] > MAX_PIXELS or 0 in image.size:
        raise ImageError(f"{image.size[0]:,} × {image.size[1]:,} pixels are not within the limits")
    try:
        whole, _ = upright(image)
        return Picture(np.array(whole), *whole.size)
    except Exception as error:  # as in `decode`
        raise ImageError(reason_of(image.format or "image", error)) from error


def pixels_of(image: Image.Image, done: str, otherwise: str = "The picture") -> NDArray[np.uint8]:
    """As `from_image`, uint8 (h, w, 3), for who gave the image: an error names its file.

    Parameters
    ----------
    image : PIL image
        Of a file or made in memory.
    done : str
        What cannot be done with it otherwise, such as ``"embedded"``.
    otherwise : str
        Its name where it has no file.

    Raises
    ------
    ClrSearchError
        If it is too large, or broken.
    """
    try:
        return from_image(image).pixels
    except ImageError as error:
        name = getattr(image, "filename", "") or otherwise
        raise ClrSearchError(f"{name} cannot be {done}: {error.what}.") from error
