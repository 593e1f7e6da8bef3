"""Rendering of cloth: it adds folds, threads, light, wear and a camera to a flat pattern."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.demo.palettes import Palette
from clr_search.demo.plane import Array, Layer, Plane, smooth_field

OVERSAMPLING = 2
"""Samples of a pixel in each direction; patterns soften their own edges, so that 2 are enough."""


@dataclass(frozen=True, slots=True)
class Drape:
    """The position and the folds of a cloth under the camera.

    Attributes
    ----------
    x, y : float32 (n, n)
        Position on the cloth of each sample, in sides of the swatch, rotated by the angle of the
        cloth and displaced by its folds.
    slope : float32 (n, n)
        Slope of the folds towards the light; the steepest is about ±1.
    """

    x: Array
    y: Array
    slope: Array


def lay(rng: np.random.Generator, side: int, angle: float) -> Drape:
    """Return a cloth with random folds.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the folds.
    side : int
        Number of samples n across the swatch.
    angle : float
        Rotation of the cloth in radians.
    """
    t = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    across, down = np.meshgrid(t, t)
    height = smooth_field(rng, side, rng.uniform(0.8, 2.5), rng.uniform(0.8, 2.5))
    # Central differences; the factor brings the usual slope to about 1.
    slope_y: Array = np.gradient(height, axis=0) * (side * 0.22)
    slope_x: Array = np.gradient(height, axis=1) * (side * 0.22)
    bend = rng.uniform(0.002, 0.016)
    x, y = across + slope_x * bend, down + slope_y * bend
    c, s = math.cos(angle), math.sin(angle)
    light = rng.uniform(0.0, 2.0 * math.pi)
    slope: Array = slope_x * math.cos(light) + slope_y * math.sin(light)
    return Drape(x * c + y * s, y * c - x * s, slope)


def paint(palette: Palette, layers: list[Layer], side: int) -> Array:
    """Paint layers over the ground colour; returns linear light, float32 (3, side, side).

    The coverage of each layer has shape (side, side).
    """
    colours = palette.colours
    image = np.empty((3, side, side), np.float32)
    image[:] = colours[0][:, None, None]
    for colour, coverage in layers:
        for channel in range(3):
            image[channel] += coverage * (colours[colour, channel] - image[channel])
    return image


def weave(rng: np.random.Generator, drape: Drape, pixels: int) -> Array:
    """Shade single threads: plain weave, twill or satin, with uneven yarn.

    Returns
    -------
    float32 (n, n)
        Factor about 1 for the light that each sample reflects.
    """
    threads = pixels / rng.uniform(2.6, 4.2)  # A thread is about three pixels wide.
    x, y = drape.x * threads, drape.y * threads
    warp, weft = np.cos(x * (2.0 * math.pi)), np.cos(y * (2.0 * math.pi))
    kind = int(rng.integers(3))
    if kind == 0:  # plain: over one, under one
        relief = warp * weft
    elif kind == 1:  # twill: ribs on the diagonal
        relief = np.cos((x + y) * math.pi) * 0.8 + warp * 0.3
    else:  # satin: mostly one system of threads
        relief = warp * 0.7 + weft * 0.15
    uneven = _yarn(rng, drape.x, threads) + _yarn(rng, drape.y, threads)
    shading: Array = 1.0 + relief * rng.uniform(0.05, 0.13) + uneven * rng.uniform(0.015, 0.05)
    return shading


def _yarn(rng: np.random.Generator, across: Array, threads: float) -> Array:
    """Return the brightness of the thread at each sample; it varies by about ±1 between threads."""
    table = rng.standard_normal(257, dtype=np.float32)
    brightness: Array = table[np.floor(across * threads).astype(np.int32) % 257]
    return brightness


def illuminate(rng: np.random.Generator, drape: Drape) -> Array:
    """Return the light on each sample as a factor about 1, float32 (n, n).

    It has the shading of the folds, a lamp to one side, and darker corners.
    """
    side = drape.slope.shape[0]
    t = (np.arange(side, dtype=np.float32) + 0.5) / side - 0.5
    angle, fall = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.05, 0.35)
    lamp = 1.0 + fall * (t[None, :] * math.cos(angle) + t[:, None] * math.sin(angle))
    corners = 1.0 - rng.uniform(0.0, 0.5) * (t[None, :] ** 2 + t[:, None] ** 2)
    folds = 1.0 + rng.uniform(0.05, 0.24) * np.tanh(drape.slope)
    light: Array = lamp * corners * folds * rng.uniform(0.88, 1.12)
    return light


def wear(rng: np.random.Generator, image: Array) -> Array:
    """Return an image of worn cloth: faded, bleached in patches, and with pills of lint.

    The image is linear light, float32 (3, n, n).
    """
    side = image.shape[1]
    fading = rng.uniform(0.0, 0.14) + rng.uniform(0.0, 0.05) * smooth_field(rng, side, 4.0, 4.0)
    pale = 0.35 + 0.5 * image.mean(axis=0)
    image = image + fading.clip(0.0, 0.4) * (pale - image)
    pills = smooth_field(rng, side, side / 4.0, side / 4.0)
    lint = (pills - rng.uniform(2.2, 4.0)).clip(0.0, 1.0) * 0.35
    return image + lint * (0.7 - image)


def photograph(rng: np.random.Generator, image: Array) -> NDArray[np.uint8]:
    """Return the photograph of a cloth: average samples to pixels, tint, blur, add noise, encode.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of tint, focus and noise.
    image : float32 (3, n, n)
        Linear light, n a multiple of `OVERSAMPLING`.

    Returns
    -------
    uint8 (n / OVERSAMPLING, n / OVERSAMPLING, 3)
    """
    size = image.shape[1] // OVERSAMPLING
    image = image.reshape(3, size, OVERSAMPLING, size, OVERSAMPLING).mean(axis=(2, 4))
    tint = rng.normal(1.0, 0.025, 3).astype(np.float32)
    image = _soften(image * tint[:, None, None], rng.uniform(0.0, 0.16))
    noise = rng.standard_normal((size, size), dtype=np.float32) * rng.uniform(0.0, 0.012)
    # The exponent 1/2.2 is within a hundredth of the sRGB curve, without its branch near black.
    encoded = (image.clip(0.0, 1.0) ** np.float32(1 / 2.2) + noise).clip(0.0, 1.0)
    return np.ascontiguousarray(np.rint(encoded * 255.0).astype(np.uint8).transpose(1, 2, 0))


def _soften(image: Array, share: float) -> Array:
    """Blur an image: every pixel takes `share` from each neighbour, over rows and then columns."""
    for axis in (1, 2):
        padding = [(0, 0), (0, 0), (0, 0)]
        padding[axis] = (1, 1)
        wide = np.pad(image, padding, mode="edge")
        before, after = (
            (wide[:, :-2], wide[:, 2:]) if axis == 1 else (wide[..., :-2], wide[..., 2:])
        )
        image = image + share * (before + after - 2.0 * image)
    return image


def cloth(rng: np.random.Generator, drape: Drape, flat: Array, pixels: int) -> NDArray[np.uint8]:
    """Render a flat pattern, float32 (3, n, n), as a cloth: RGB, uint8 (pixels, pixels, 3)."""
    threads, light = weave(rng, drape, pixels), illuminate(rng, drape)
    return photograph(rng, wear(rng, flat) * (threads * light))


def plane_of(rng: np.random.Generator, drape: Drape, repeats: float) -> Plane:
    """Return the plane of a pattern that lies at a random position on a cloth.

    The pattern has `repeats` repeats across the swatch.
    """
    shift_x, shift_y = rng.uniform(-8.0, 8.0, 2)
    x = drape.x * repeats + float(shift_x)
    y = drape.y * repeats + float(shift_y)
    return Plane(x.astype(np.float32), y.astype(np.float32), repeats)
