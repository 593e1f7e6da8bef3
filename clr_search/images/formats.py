"""Which formats are read, how a file tells its format, and what is said of one that is broken."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import TYPE_CHECKING

from clr_search.errors import ImageError

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


def kind_of(data: bytes) -> str:
    """Name of the format, by the first bytes.

    Raises
    ------
    ImageError
        If it is none of those that are read; the reason names it where it is known.
    """
    if not data:
        raise ImageError("the file is empty")
    head = data[:64]
    kind = next((name for magic, name in _SIGNATURES if head.startswith(magic)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        kind = "WebP"
    elif head[4:8] == b"ftyp":
        kind = _iso_kind(head)
    if kind in READERS:
        return kind
    if kind:
        raise ImageError(f"{kind} files are not supported")
    if not any(data):
        raise ImageError("the file holds nothing but zeros")
    raise ImageError(f"not a picture: it starts like no {', '.join(READERS)} file")


def _iso_kind(head: bytes) -> str:
    """AVIF, HEIC or a film: by the major brand, or where that is generic, by the others."""
    end = min(max(int.from_bytes(head[:4], "big"), 12), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    kinds = [_ISO_BRANDS[brand] for brand in brands if brand in _ISO_BRANDS]
    if "AVIF" in kinds:
        return "AVIF"
    return "HEIC" if kinds else "MP4"


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
