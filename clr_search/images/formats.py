"""Which formats are read, how a file tells its format, and what is said of one that is broken."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import TYPE_CHECKING

from clr_search.errors import ImageError
from clr_search.files.finding.selection import HEAD, format_of

if TYPE_CHECKING:
    from PIL import ImageFile

READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "JpegImageFile"),  # of an MPO, the first picture
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "HEIC": ("pillow_heif.as_plugin", "HeifImageFile"),  # which turns the picture itself
}
"""Module and class of the reader of each format."""


def kind_of(data: bytes) -> str:
    """Name of the format, by the first bytes.

    Raises
    ------
    ImageError
        If it is none of those that are read; the reason names it where it is known.
    """
    if not data:
        raise ImageError("the file is empty")
    kind = format_of(data[:HEAD])
    if kind in READERS:
        return kind
    if kind:
        raise ImageError(f"{kind} files are not supported")
    if not any(data):
        raise ImageError("the file holds nothing but zeros")
    raise ImageError(f"not a picture: it starts like no {', '.join(READERS)} file")


def open_header(data: bytes, kind: str) -> ImageFile.ImageFile:
    """Read the header only, by the one reader of this format."""
    if kind in ("AVIF", "WebP"):
        from PIL import features

        if not features.check(kind.lower()):
            raise ImageError(f"{kind} is not supported by the Pillow that is installed")
    module, name = READERS[kind]
    try:
        reader: type[ImageFile.ImageFile] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        raise ImageError(f"{kind} needs the extra heif: pip install 'clr-search[heif]'") from None
    return reader(BytesIO(data))


def reason_of(kind: str, error: Exception) -> str:
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
