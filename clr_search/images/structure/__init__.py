"""Bounds on what a file can make a decoder do, checked before a decoder sees it.

A picture of w × h pixels costs memory and time in proportion to w × h, and nothing else in its file
may cost more. Decoders do not promise that: a JPEG may repeat a scan thousands of times, a TIFF may
name the same megabyte in thousands of tags, a PNG may have millions of empty chunks. Each module
here reads the headers, lengths and markers of one family of formats, never the pixels, and refuses
what no honest file needs; the limits lie far above what is found in files that cameras and programs
write. What is broken in another way is left for the decoder to name.
"""

from __future__ import annotations

from collections.abc import Callable

from clr_search.images.structure import bmp, gif, iso, jpeg, png, tiff, webp
from clr_search.images.structure.frame import Frame

__all__ = ["Frame", "check", "frames_within_bounds"]

_CHECKS: dict[str, Callable[[bytes], Frame | None]] = {
    "JPEG": jpeg.check,
    "PNG": png.check,
    "WebP": webp.check,
    "GIF": gif.check,
    "BMP": bmp.check,
    "TIFF": tiff.check,
    "AVIF": iso.check,
    "HEIC": iso.check,
}


def check(data: bytes, kind: str) -> Frame | None:
    """Refuse a file whose structure could cost more than its pixels do.

    Parameters
    ----------
    data : bytes
        Content of the file.
    kind : str
        Its format, as `formats.kind_of` names it.

    Returns
    -------
    Frame or None
        The size that the headers promise; None where they are broken, which the decoder tells.

    Raises
    ------
    ImageError
        If the file exceeds a bound; `what` tells which.
    """
    return _CHECKS[kind](data)


def frames_within_bounds(data: bytes, kind: str, told: int) -> int:
    """Returns how many frames of an animation a reader may go through, 1 or more.

    Parameters
    ----------
    data : bytes
        Content of the file, after `check`.
    kind : str
        Its format.
    told : int
        The number of frames that the decoder tells, for formats whose frames it reads by itself.
    """
    if kind == "GIF":
        return max(gif.frames(data), 1)
    if kind == "PNG":
        return png.frames(data)
    return told if kind in ("WebP", "AVIF") else 1
