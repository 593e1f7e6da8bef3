"""What a picture's headers promise, in one type for all formats."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """The size that the headers of a file promise.

    Attributes
    ----------
    width, height : int
        Pixels, as they are stored: before any turning or cutting.
    whole : bool
        Whether a decoder holds all of these pixels at once, even where it is asked for fewer.
    """

    width: int
    height: int
    whole: bool = True
