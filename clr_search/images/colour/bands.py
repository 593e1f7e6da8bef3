"""A large picture in horizontal bands, so that work on one takes little memory."""

from __future__ import annotations

from collections.abc import Iterator

_BAND_PIXELS = 2**21


def bands(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yields the first row of each band of some megapixels, and the row after its last.

    Examples
    --------
    >>> list(bands(2**20, 5))
    [(0, 2), (2, 4), (4, 5)]
    """
    rows = max(_BAND_PIXELS // width, 1)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
