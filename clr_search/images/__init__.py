"""Pictures: bytes of every common format to upright RGB pixels, within limits.

The names below are what other packages use: ``images.load(path).pixels``, for example.
"""

from __future__ import annotations

from clr_search.images.decoding import (
    DECODING,
    Load,
    decode,
    decode_square,
    from_image,
    load,
    pixels_of,
    read,
)
from clr_search.images.geometry import Crop, Frame, cut, enough_for, framed, square
from clr_search.images.limits import LARGE_PIXELS, MAX_BYTES, MAX_PIXELS, may_fit_now, pixel_limit
from clr_search.images.picture import Note, Picture

__all__ = [
    "DECODING",
    "LARGE_PIXELS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "Crop",
    "Frame",
    "Load",
    "Note",
    "Picture",
    "cut",
    "decode",
    "decode_square",
    "enough_for",
    "framed",
    "from_image",
    "load",
    "may_fit_now",
    "pixel_limit",
    "pixels_of",
    "read",
    "square",
]
