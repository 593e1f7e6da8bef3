"""Bytes to upright RGB pixels: every common format and mode, within limits, one reason per failure.

What is decoded: JPEG, PNG, WebP, GIF (first frame), BMP, TIFF (first page), AVIF where Pillow has
it, and HEIC with the extra `heif`. The format is taken from the first bytes, never from the name,
and the readers of those formats are called directly: none of Pillow's others (PostScript, fonts, …)
ever sees a file, and the size of a picture is checked between reading its header and decoding it
without touching `PIL.Image.MAX_IMAGE_PIXELS`, which belongs to the whole process.

Everything here is safe to call from many threads, and Pillow releases the interpreter lock while it
decodes. Warnings that Pillow gives on damaged EXIF go through Python's `warnings` as usual;
silencing them is for the application, since filters belong to the whole process too.
"""

from __future__ import annotations

import importlib
import os
import stat
import threading
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.modes import upright

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MAX_PIXELS = 200_000_000
"""Most pixels of a picture, by its header: 600 MB as RGB; today's largest phone sensors fit."""

MAX_BYTES = 2**29
"""Most bytes of a file."""

LARGE_PIXELS = 2**25
"""Pictures decoding to more pixels than this are decoded one at a time, whatever the threads."""

_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),  # of an MPO, the first picture
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif.as_plugin", "HeifImageFile"),  # which turns the picture itself
}

_SIGNATURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    # Known, so that the reason can name them, but not read:
    (b"%PDF", "PDF"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
)

_ISO_BRANDS = {b"avif": "AVIF", b"avis": "AVIF"} | dict.fromkeys(
    (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"
)


_LARGE = threading.Lock()


Crop = tuple[float, float, float, float]
"""Left, top, width and height of a part of a picture, as fractions of its width and height."""


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
        If the bytes are no picture, broken, truncated, or beyond the limits; `what` is the reason.
    """
    if at_least is not None and at_least < 1:
        raise UsageError(f"at_least is {at_least}; it must be 1 or more.")
    return _decoded(data, at_least, max_pixels, np.array)


def _decoded(
    data: bytes,
    at_least: int | None,
    max_pixels: int,
    finish: Callable[[Image.Image], NDArray[np.uint8]],
) -> Picture:
    """What `finish` makes of the upright RGB image; see `decode`."""
    kind = _kind(data)
    try:
        image = _open(data, kind)
        width, height = image.size
        if width < 1 or height < 1:
            raise ImageError(f"the {kind} header says {width} × {height} pixels")
        if width * height > max_pixels:
            raise ImageError(
                f"{width:,} × {height:,} pixels are more than the limit of {max_pixels:,}"
            )
        if at_least is not None and kind == "JPEG":
            image.draft(None, (at_least, at_least))
        large = image.size[0] * image.size[1] > LARGE_PIXELS
        with _LARGE if large else nullcontext():
            whole, turned = upright(image)
            pixels = finish(whole)
    except ImageError:
        raise
    except Exception as error:  # decoders of damaged files raise anything at all
        raise ImageError(_reason(kind, error)) from error
    if kind != "JPEG":  # Pillow turns a TIFF while loading, so only the result knows its shape
        return Picture(pixels, *whole.size)
    return Picture(pixels, *((height, width) if turned else (width, height)))


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


def enough_for(size: int) -> int:
    """Shorter side of a reduced decoding from which `square` makes one of side `size`: 4 times.

    With a margin of 4 the vector of a photo is that of its full pixels to a cosine of 0.9999 in the
    median and 0.9993 at least; with one of 2, which takes a tenth less time, 0.9994 and 0.992. (The
    74 photos of camera_samples, by the encoder that ships; `bench/camera.py`.)
    """
    return 4 * size


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
    return _decoded(data, enough_for(size), max_pixels, lambda image: _squared(image, size))


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
        raise ImageError(_reason(image.format or "image", error)) from error


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


def square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Central square of side min(h, w), resized with antialiased bilinear filtering.

    The same geometry as the preprocessing in the ONNX graph, so that a vector does not depend on
    where the picture was shrunk.

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
    size : int
        Side of the result.

    Returns
    -------
    uint8 array, shape (size, size, 3)
        A new, writable array.
    """
    from PIL import Image

    left, top, side = _centre(pixels.shape[1], pixels.shape[0])
    part = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    return part.copy() if side == size else _squared(Image.fromarray(part), size)


def _centre(width: int, height: int) -> tuple[int, int, int]:
    """Left, top and side of the largest central square."""
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def _squared(image: Image.Image, size: int) -> NDArray[np.uint8]:
    from PIL import Image

    left, top, side = _centre(*image.size)
    if image.size != (side, side):
        # Cropped before the resize: `resize(box=…)` would let pixels beyond the edge bleed in.
        image = image.crop((left, top, left + side, top + side))
    if side != size:
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.array(image)


def cut(pixels: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    """A part of a picture, uint8 (h, w, 3), at least one pixel wide and high.

    Raises
    ------
    UsageError
        If the part is empty, or sticks out.
    """
    left, top, width, height = crop
    inside = left >= 0 and top >= 0 and left + width <= 1 + 1e-9 and top + height <= 1 + 1e-9
    if not (inside and width > 0 and height > 0):
        raise UsageError(
            f"The crop {','.join(f'{value:g}' for value in crop)} is no part of a picture.",
            "Give left, top, width and height as fractions, such as 0.25,0,0.5,0.5.",
        )
    rows, columns = pixels.shape[:2]
    x, y = min(round(left * columns), columns - 1), min(round(top * rows), rows - 1)
    right = max(x + 1, round((left + width) * columns))
    bottom = max(y + 1, round((top + height) * rows))
    return pixels[y:bottom, x:right]


def _kind(data: bytes) -> str:
    if not data:
        raise ImageError("the file is empty")
    head = data[:64]
    kind = next((name for magic, name in _SIGNATURES if head.startswith(magic)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "WebP"
    elif head[4:8] == b"ftyp":
        kind = _iso_kind(head)
    if kind in _READERS:
        return kind
    if kind:
        raise ImageError(f"{kind} files are not supported")
    if not any(data):
        raise ImageError("the file holds nothing but zeros")
    raise ImageError(f"not a picture: it starts like no {', '.join(_READERS)} file")


def _iso_kind(head: bytes) -> str:
    """AVIF, HEIC or a film: by the major brand, or where that is generic, by the others."""
    end = min(max(int.from_bytes(head[:4], "big"), 12), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    kinds = [_ISO_BRANDS[brand] for brand in brands if brand in _ISO_BRANDS]
    if "AVIF" in kinds:
        return "AVIF"
    return "HEIC" if kinds else "MP4"


def _open(data: bytes, kind: str) -> ImageFile.ImageFile:
    """Read the header only."""
    from PIL import features

    if kind in ("AVIF", "WebP") and not features.check(kind.lower()):
        raise ImageError(f"{kind} is not supported by the Pillow that is installed")
    module, name = _READERS[kind]
    try:
        reader: type[ImageFile.ImageFile] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        raise ImageError(f"{kind} needs the extra heif: pip install 'clr-search[heif]'") from None
    return reader(BytesIO(data))


def _reason(kind: str, error: Exception) -> str:
    """One short line on why a decoder gave up."""
    if isinstance(error, MemoryError):
        return f"not enough memory to decode this {kind}"
    text = " ".join(str(error).split()).rstrip(".")
    if "truncated" in text.lower():
        return f"truncated {kind}: the file ends before the picture does"
    # What Pillow raises on purpose says something; the rest are accidents of reading nonsense.
    told = isinstance(error, (OSError, SyntaxError, ValueError)) and not error.__cause__
    if not told or not text or "this driver" in text:
        return f"broken {kind}: its header is damaged"
    return f"broken {kind}: {text[:160]}…" if len(text) > 160 else f"broken {kind}: {text}"
