"""How large a picture and its file may be, before either is read."""

from __future__ import annotations

import os
import re

from clr_search.errors import ImageError, UsageError

MAX_PIXELS = 200_000_000
"""Most pixels of a picture, by its header: 600 MB as RGB; today's largest phone sensors fit."""

MAX_BYTES = 2**29
"""Most bytes of a file."""

LARGE_PIXELS = 2**25
"""Pictures decoding to more pixels than this are decoded one at a time, whatever the threads."""

SAMPLE_BYTES = 8
"""Most bytes of samples for each pixel of the limit, of a TIFF with many bands or wide values."""

_TOO_MANY = re.compile(r"pixels are more than the limit of ([0-9,]+)")

FREE_SAMPLES, PIXEL_SAMPLES, FILE_SAMPLES = 2**25, 16, 32
"""Bytes of samples that any TIFF may have, and how many more for each pixel and byte of the file.

A few damaged bytes can claim thousands of bands; those that are there need room in the file.
"""

PIXELS_VARIABLE = "CLR_SEARCH_MAX_PIXELS"
"""Name of the environment variable that replaces `MAX_PIXELS`; ``--max-pixels`` sets it."""


def pixel_limit(given: int | None = None) -> int:
    """Returns the most pixels that a picture may have.

    Parameters
    ----------
    given : int, optional
        The limit of a caller, which comes before all others.

    Returns
    -------
    int
        The limit that was given, else that of the environment variable `PIXELS_VARIABLE`, which
        processes that are started hand on, else `MAX_PIXELS`.

    Raises
    ------
    UsageError
        If the environment variable holds no whole number of at least 1.

    Examples
    --------
    >>> pixel_limit(1_000_000)
    1000000
    """
    if given is not None:
        return given
    text = os.environ.get(PIXELS_VARIABLE, "").strip()
    if not text:
        return MAX_PIXELS
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            f"{PIXELS_VARIABLE} is {text!r}, which is no number of pixels.",
            "Set it to a whole number, such as 400000000, or unset it.",
        )
    return int(text)


def may_fit_now(reason: str) -> bool:
    """Whether a picture that was refused for this reason is within the limit of today.

    Examples
    --------
    >>> may_fit_now("30,000 × 10,000 pixels are more than the limit of 100,000")
    True
    >>> may_fit_now("the file is empty")
    False
    """
    found = _TOO_MANY.search(reason)
    return found is not None and pixel_limit() > int(found[1].replace(",", ""))


def check_samples(held: int, pixels: int, file_bytes: int, most: int) -> None:
    """Refuses a TIFF whose samples take more than its pixels and its file can justify.

    Parameters
    ----------
    held : int
        Bytes of all its samples.
    pixels : int
        Pixels, by its header.
    file_bytes : int
        Bytes of the file.
    most : int
        The limit of pixels.

    Raises
    ------
    ImageError
        If there are too many.
    """
    if held > SAMPLE_BYTES * most:
        raise ImageError(
            f"{held:,} bytes of samples are more than the limit of {SAMPLE_BYTES * most:,}",
            "Allow more with: --max-pixels",
        )
    if held > FREE_SAMPLES + PIXEL_SAMPLES * pixels + FILE_SAMPLES * file_bytes:
        raise ImageError(
            f"the TIFF claims {held:,} bytes of samples in a file of {file_bytes:,}",
        )


def check_size(width: int, height: int, kind: str, most: int) -> None:
    """Refuses a size beyond the limit.

    Parameters
    ----------
    width, height : int
        The size that a header tells.
    kind : str
        The format of the file.
    most : int
        The limit, in pixels.

    Raises
    ------
    ImageError
        If a side is 0, or there are too many pixels.
    """
    if width < 1 or height < 1:
        raise ImageError(f"the {kind} header says {width} × {height} pixels")
    if width * height > most:
        raise ImageError(
            f"{width:,} × {height:,} pixels are more than the limit of {most:,}",
            "Allow more with: --max-pixels",
        )
