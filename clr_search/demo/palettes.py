"""Harmonious colours for cloth, chosen in OKLCH and independent of the pattern.

OKLCH is the polar form of OKLab (B. Ottosson, 2020, https://bottosson.github.io/posts/oklab/):
it has lightness, chroma and hue as people perceive them, so that "lighter by 0.3" or "opposite in
hue" means the same for every colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUND, MAIN, SECOND, ACCENT, QUIET, SHADOW, LIGHT = range(7)
"""Roles of the colours, which are the rows of `Palette.colours`."""

# Differences in hue, in degrees, of main, second, accent and quiet from the ground.
_SCHEMES: tuple[tuple[float, float, float, float], ...] = (
    (0.0, 12.0, -14.0, 4.0),  # one hue, with differences in lightness
    (32.0, -28.0, 58.0, 10.0),  # neighbours
    (180.0, 168.0, 30.0, 6.0),  # opposites
    (150.0, 210.0, 180.0, -12.0),  # split opposites
    (120.0, 240.0, 60.0, 10.0),  # triad
    (90.0, 180.0, 270.0, 8.0),  # square
)

# Lightness range of a light and of a dark ground, and the chroma range of grounds and of figures.
# The comments name similar cloths; every family of patterns uses all moods.
_MOODS: tuple[tuple[tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    ((0.90, 0.96), (0.01, 0.035), (0.09, 0.19)),  # natural cotton
    ((0.80, 0.89), (0.05, 0.09), (0.08, 0.17)),  # pastel
    ((0.62, 0.76), (0.10, 0.17), (0.05, 0.16)),  # mid, saturated
    ((0.40, 0.52), (0.09, 0.16), (0.06, 0.15)),  # jewel
    ((0.24, 0.34), (0.03, 0.09), (0.05, 0.17)),  # night
    ((0.50, 0.66), (0.02, 0.06), (0.03, 0.12)),  # earth and stone
)


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one swatch.

    Attributes
    ----------
    colours : float32 (7, 3)
        Linear-light RGB in [0, 1]. The rows are ground, main, second, accent, quiet (close to the
        ground), and shadow and light (for the shading of threads).
    """

    colours: NDArray[np.float32]


def choose_palette(rng: np.random.Generator) -> Palette:
    """Choose colours that harmonize and contrast with their ground.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    Palette
        The main colour differs from the ground by at least 0.3 in OKLab lightness, the second and
        the accent by at least 0.15.

    Examples
    --------
    >>> choose_palette(np.random.default_rng(0)).colours.shape
    (7, 3)
    """
    lightness, ground_chroma, figure_chroma = _MOODS[int(rng.integers(len(_MOODS)))]
    offsets = np.asarray(_SCHEMES[int(rng.integers(len(_SCHEMES)))])
    base = rng.uniform(*lightness)
    away = -1.0 if base > 0.58 else 1.0  # Figures are dark on light ground.
    room = (base - 0.22) if away < 0 else (0.95 - base)
    main = base + away * max(0.3, room * rng.uniform(0.62, 1.0))
    second = base + away * max(0.16, room * rng.uniform(0.25, 0.6))
    accent = base + away * max(0.2, room * rng.uniform(0.35, 0.95))
    quiet = base + away * rng.uniform(0.06, 0.1)
    hue = rng.uniform(0.0, 360.0)
    hues = hue + np.concatenate(([0.0], offsets + rng.normal(0.0, 7.0, 4)))
    chroma = np.concatenate(([rng.uniform(*ground_chroma)], rng.uniform(*figure_chroma, 4)))
    chroma[ACCENT] *= 1.25
    chroma[QUIET] = chroma[GROUND] * rng.uniform(0.9, 1.5)
    levels = np.array([base, main, second, accent, quiet])
    colours = oklch_to_linear(levels, chroma, hues)
    shadow = colours[GROUND] * 0.25
    light = 1.0 - (1.0 - colours.max(axis=0)) * 0.4
    return Palette(np.concatenate([colours, shadow[None], light[None]]).astype(np.float32))


def oklch_to_linear(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Convert OKLCH to linear-light sRGB; chroma outside the gamut is reduced.

    Parameters
    ----------
    lightness, chroma, hue : float64 (n,)
        Lightness in [0, 1], chroma from 0 (about 0.3 at most in sRGB), hue in degrees.

    Returns
    -------
    float64 (n, 3)
        RGB in [0, 1]. Each colour has the largest share of its chroma, in steps of 1/16, that sRGB
        can represent.

    Examples
    --------
    >>> white = oklch_to_linear(np.array([1.0]), np.array([0.0]), np.array([0.0]))
    >>> white.round(3).tolist()
    [[1.0, 1.0, 1.0]]
    """
    shares = np.linspace(0.0, 1.0, 17)[:, None]  # (17, 1) against (n,)
    angle = np.deg2rad(hue)
    a, b = shares * chroma * np.cos(angle), shares * chroma * np.sin(angle)
    # The inverse of OKLab, with the matrices of the source in the docstring of the module.
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    red = 4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short
    green = -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short
    blue = -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short
    rgb = np.stack([red, green, blue], axis=-1)  # (17, n, 3)
    in_gamut = np.all((rgb >= -1e-6) & (rgb <= 1.0 + 1e-6), axis=-1)
    best = np.where(in_gamut, np.arange(17)[:, None], 0).max(axis=0)
    chosen: NDArray[np.float64] = rgb[best, np.arange(len(best))]
    return chosen.clip(0.0, 1.0)
