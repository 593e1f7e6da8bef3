"""Samples of more than 8 bits, scaled to 8 by the range that a picture uses.

Instruments write 10 or 12 bits into files of 16, thermal cameras a few hundred steps around a large
offset, models any float. Scaled by what the type could hold, such pictures are nearly black, and
all look alike. The range is therefore, in this order:

1. what the file tells: the sample values of a TIFF, the significant bits of a PNG, where its values
   lie within;
2. [0, 1] and [0, 255] for floats that use an eighth of it or more;
3. for whole numbers from 0 on, all that the bits of the largest value can hold, so that exposures
   stay comparable, if the values use an eighth of that or more;
4. from the least to the greatest value.

Values that are none are left out of the range: those that are not finite, the one that a file says
means "no data", and one alone at an end, far from all others, that many pixels have (65,535 beside
12 bits, −9,999 beside heights). So is one pixel in a thousand at either end where the others lie in
a sixteenth of the range: dead pixels of a sensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.images.colour.bands import bands

if TYPE_CHECKING:
    from PIL import Image

_SHARE_USED = 8  # a range is too wide if its eighth holds all values
_OUTLIERS, _SHARE_OUTSIDE = 0.1, 16  # percent at either end; how much wider they make the range
_LEAST_STEPS = 64  # of whole numbers that are left after leaving out others
_SAMPLE = 2**18  # values that are looked at for outliers
_NO_NUMBER = 1e30  # floats beyond are marks for "no data", such as −3.4e38


@dataclass(frozen=True, slots=True)
class Samples:
    """Pixels as the file holds them, before they are scaled to 8 bits.

    Attributes
    ----------
    width, height : int
        Size in pixels.
    rows : callable
        Returns the samples from one row to the row before another, shape (n, width, channels), as
        whole numbers or floats.
    colours : int
        The number of channels that are colours: 1 is grey, 3 is RGB, 4 is CMYK. They come first.
    alpha : int or None
        The channel of opacity, if there is one.
    most : float
        What the type of the samples can hold, such as 65,535; 1 for floats.
    told : (float, float) or None
        The values that mean black and white, by the file.
    nothing : float or None
        The value that means "no data", by the file.
    key : tuple of int or None
        The colour that is transparent.
    premultiplied : bool
        Whether the colours are multiplied by the opacity.
    inverted : bool
        Whether the least value is white.
    """

    width: int
    height: int
    rows: Callable[[int, int], NDArray[Any]]
    colours: int = 1
    alpha: int | None = None
    most: float = 65535.0
    told: tuple[float, float] | None = None
    nothing: float | None = None
    key: tuple[int, ...] | None = None
    premultiplied: bool = False
    inverted: bool = False


def scaled(samples: Samples) -> Image.Image:
    """Returns the picture with 8 bits a channel.

    Parameters
    ----------
    samples : Samples
        The pixels, of any range.

    Returns
    -------
    Image
        Mode L, RGB or CMYK, or LA or RGBA where there is opacity.
    """
    from PIL import Image

    low, high = value_range(samples)
    has_alpha = samples.alpha is not None or samples.key is not None
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[samples.colours]
    if has_alpha and mode != "CMYK":
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    opaque = _opaque(samples, high) if samples.alpha is not None else 0.0
    canvas = Image.new(mode, (samples.width, samples.height))
    for top, bottom in bands(samples.width, samples.height):
        values = samples.rows(top, bottom)
        colours = values[..., : samples.colours]
        parts = [_eight_bits(colours, low, high)]
        if samples.inverted:
            parts[0] = 255 - parts[0]
        if samples.alpha is not None and mode != "CMYK":
            parts.append(_eight_bits(values[..., samples.alpha, None], 0.0, opaque))
            if samples.premultiplied:
                full = parts[0] * 255.0 / np.maximum(parts[1], 1)
                parts[0] = np.rint(full.clip(0, 255)).astype(np.uint8)
        elif samples.key is not None and mode != "CMYK":
            seen = np.where((colours == samples.key).all(-1, keepdims=True), 0, 255)
            parts.append(seen.astype(np.uint8))
        joined = np.concatenate(parts, -1) if len(parts) > 1 else parts[0]
        if joined.shape[-1] == 1:
            joined = joined[..., 0]
        canvas.paste(Image.fromarray(np.ascontiguousarray(joined), mode), (0, top))
    return canvas


def _opaque(samples: Samples, high: float) -> float:
    """Returns the value of full opacity: that of white, or what the bits of the largest hold."""
    assert samples.alpha is not None
    most = 0.0
    whole = True
    for top, bottom in bands(samples.width, samples.height):
        opacity = samples.rows(top, bottom)[..., samples.alpha]
        whole = opacity.dtype.kind != "f"
        most = max(most, float(np.nan_to_num(opacity).max()))
    if high / _SHARE_USED <= most <= high:
        return high
    return _held(most) if whole else max(most, 1.0)


def _held(high: float) -> float:
    """Returns the largest whole number that has as many bits as this one."""
    return float(2 ** int(max(high, 1.0)).bit_length() - 1)


def value_range(samples: Samples) -> tuple[float, float]:
    """Returns the values that mean black and white, by the rules of this module.

    Examples
    --------
    >>> twelve_bits = np.array([[[0], [1200], [4080]]], np.uint16)
    >>> value_range(Samples(3, 1, lambda top, bottom: twelve_bits[top:bottom]))
    (0.0, 4095.0)
    """
    low, high, some, whole = _survey(samples)
    if samples.told is not None and samples.told[0] <= low and high <= samples.told[1]:
        return samples.told
    if low == high:
        return (0.0, samples.most) if 0 <= low <= samples.most else (low - 1.0, low)
    if not whole:
        for limit in (1.0, 255.0):
            if _fits(low, high, limit):
                return 0.0, limit
    if some.size:
        low, high = _without_outliers(low, high, some, whole)
    limit = _held(high)
    return (0.0, limit) if whole and _fits(low, high, limit) else (low, high)


def _fits(low: float, high: float, limit: float) -> bool:
    """Whether values are from 0 to a limit, and use enough of that range."""
    return low >= 0 and high <= limit and (high - low) * _SHARE_USED >= limit


def _survey(samples: Samples) -> tuple[float, float, NDArray[np.float64], bool]:
    """Returns the least and greatest value, some of all values, and whether they are whole."""
    least: list[float] = []
    greatest: list[float] = []
    some: list[NDArray[np.float64]] = []
    step = max(samples.width * samples.height * samples.colours // _SAMPLE, 1)
    whole = True
    for top, bottom in bands(samples.width, samples.height):
        values = samples.rows(top, bottom)[..., : samples.colours]
        if values.dtype.kind == "f":
            whole = False
            values = values[np.abs(values) < np.float64(_NO_NUMBER)]  # no NaN is less than anything
        if samples.nothing is not None:
            values = values[values != samples.nothing]
        values = values.ravel()
        if values.size:
            least.append(float(values.min()))
            greatest.append(float(values.max()))
            some.append(values[::step].astype(np.float64))
    if not least:
        return 0.0, samples.most, np.zeros(0), whole
    return min(least), max(greatest), np.concatenate(some), whole


def _without_outliers(
    low: float, high: float, some: NDArray[np.float64], whole: bool
) -> tuple[float, float]:
    """Returns the range without a mark for "no data" and without dead pixels."""
    others = some[(some > low) & (some < high)]
    if others.size:
        inner_low, inner_high = float(others.min()), float(others.max())
        enough = _LEAST_STEPS if whole else 0.0
        if inner_low - low > 4 * (high - inner_low) and high - inner_low > enough:
            # An eighth below, so that it stays darker than all others.
            low = inner_low - (high - inner_low) / 8
        elif high - inner_high > 4 * (inner_high - low) and inner_high - low > enough:
            high = inner_high
    inside = some[(some >= low) & (some <= high)]
    bottom, top = np.percentile(inside, (_OUTLIERS, 100 - _OUTLIERS))
    steps = top - bottom
    if steps > (_LEAST_STEPS if whole else 0) and high - low > _SHARE_OUTSIDE * steps:
        return float(bottom), float(top)
    return low, high


def _eight_bits(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Returns values from `low` to `high` as 0 to 255; those that are no number are black."""
    if values.dtype == np.uint16:  # a table takes a tenth of the time
        table = _eight_bits(np.arange(2**16, dtype=np.float32), low, high)
        return table.take(values)
    unit: NDArray[np.float64] = values.astype(np.float64)
    unit -= low
    unit /= max(high - low, float(np.finfo(np.float32).tiny))
    np.nan_to_num(unit, copy=False, nan=0.0)
    unit.clip(0, 1, out=unit)
    unit *= 255
    grey: NDArray[np.uint8] = np.rint(unit).astype(np.uint8)
    return grey
