"""Printed and dyed patterns: dots, tiles, skins and chips."""

from __future__ import annotations

import math

import numpy as np

from clr_search.demo.palettes import ACCENT, GROUND, MAIN, QUIET, SECOND
from clr_search.demo.plane import (
    Array,
    Layer,
    Plane,
    half_drop,
    lattice,
    scattered,
    smooth,
    wrap,
)


def polka_dots(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Polka dots in half drop, some of a second colour."""
    cells = half_drop(plane.x, plane.y)
    radius = rng.uniform(0.22, 0.34)
    dot = plane.inside(np.hypot(cells.u, cells.v) - radius)
    second = (cells.lots(rng) < rng.choice([0.0, 0.0, 0.35])).astype(np.float32)
    return [Layer(MAIN, dot), Layer(ACCENT, dot * second)]


def waves(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Waves: rolling bands, broad and fine."""
    height = rng.uniform(0.2, 0.3)
    t = plane.y + np.sin(plane.x * (2.0 * math.pi)) * height
    slope = np.cos(plane.x * (2.0 * math.pi)) * (height * 2.0 * math.pi)
    scale = 1.0 / np.sqrt(1.0 + slope * slope)
    broad = np.abs(wrap(t)) - rng.uniform(0.2, 0.28)
    fine = np.abs(wrap(t - 0.5)) - rng.uniform(0.05, 0.09)
    return [Layer(MAIN, plane.inside(broad * scale)), Layer(SECOND, plane.inside(fine * scale))]


def scales(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Seigaiha: overlapping fans of concentric arcs, each row before the one above."""
    rows = plane.y * 3.4
    front = np.floor(rows + 1.7)  # the foremost row that may reach this high
    distance = np.full_like(plane.x, 9.0)
    for back in range(4):
        row = front - back
        u = wrap(plane.x - 0.5 * (row % 2.0))
        reach = np.hypot(u, (rows - row) / 3.4)
        distance = np.where((distance > 0.5) & (reach <= 0.5), reach, distance)
    rings = rng.uniform(0.9, 1.1)
    line = rng.uniform(0.032, 0.05)
    layers = [Layer(QUIET, np.full_like(plane.x, 0.5))]
    for radius, colour in ((0.47, MAIN), (0.34, SECOND), (0.22 * rings, MAIN)):
        layers.append(Layer(colour, plane.inside(np.abs(distance - radius) - line)))
    layers.append(Layer(ACCENT, plane.inside(distance - 0.09)))
    return layers


def trellis(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Trellis: a lattice of ogees in double lines, a bud in each."""
    cells = half_drop(plane.x, plane.y * 0.5)
    a, b = np.abs(cells.u), np.abs(cells.v) * 2.0
    bulge = 0.25 + 0.25 * np.cos(b * math.pi)
    distance = (a - bulge) * 0.8
    width = rng.uniform(0.045, 0.065)
    inner = rng.uniform(0.13, 0.17)
    return [
        Layer(QUIET, plane.inside(distance + inner) * 0.6),
        Layer(MAIN, plane.inside(np.abs(distance) - width)),
        Layer(SECOND, plane.inside(np.abs(distance + inner) - width * 0.4)),
        Layer(ACCENT, plane.inside(np.hypot(a * 1.8, b * 0.9) - 0.16)),
    ]


def moroccan(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Moroccan tiles: eight-pointed stars and the crosses between them."""
    cells = lattice(plane.x, plane.y)
    a, b = np.abs(cells.u), np.abs(cells.v)
    star = np.minimum(np.maximum(a, b), (a + b) * math.sqrt(0.5))
    grout = rng.uniform(0.012, 0.02)
    outer = star - 0.3536
    centre = np.hypot(a, b)
    petals = star - (0.20 + 0.03 * rng.random())
    return [
        Layer(MAIN, plane.inside(outer + grout)),
        Layer(SECOND, plane.inside(grout * 1.6 - outer)),
        Layer(GROUND, plane.inside(np.abs(outer) - grout)),
        Layer(GROUND, plane.inside(petals)),
        Layer(ACCENT, plane.inside(petals + 0.045)),
        Layer(GROUND, plane.inside(centre - 0.06)),
    ]


def stars(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Stars: five-pointed, strewn, of several sizes."""
    cells = half_drop(plane.x, plane.y)
    size = 0.26 + 0.16 * cells.lots(rng)
    colour = cells.lots(rng)
    cells = scattered(cells, rng, 0.07, math.pi)
    sector = 2.0 * math.pi / 5.0
    angle = np.arctan2(cells.u, -cells.v)
    fold = np.abs(wrap(angle / sector)) * sector
    radius = np.hypot(cells.u, cells.v)
    # Edge from the tip (1, 0) to the notch at half a sector, radius 0.42 of the tip.
    notch_x, notch_y = 0.42 * math.cos(sector / 2), 0.42 * math.sin(sector / 2)
    length = math.hypot(1.0 - notch_x, notch_y)
    normal_x, normal_y = notch_y / length, (1.0 - notch_x) / length
    edge = radius * (np.cos(fold) * normal_x + np.sin(fold) * normal_y) - size * normal_x
    star = plane.inside(edge)
    second = (colour < 0.3).astype(np.float32)
    return [Layer(MAIN, star), Layer(ACCENT, star * second)]


def triangles(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Triangles: a mosaic in four colours."""
    p = plane.y * (2.0 / math.sqrt(3.0))
    q = plane.x - p * 0.5
    cells = lattice(p - 0.5, q - 0.5)
    u, v = cells.u + 0.5, cells.v + 0.5
    upper = u + v > 1.0
    u, v = np.where(upper, 1.0 - u, u), np.where(upper, 1.0 - v, v)
    edge = np.minimum(np.minimum(u, v), 1.0 - u - v) * (math.sqrt(3.0) / 2.0)
    tile = plane.inside(0.022 - edge)
    lot = np.where(upper, cells.lots(rng), cells.lots(rng))
    layers = []
    for low, high, colour in ((0.0, 0.3, MAIN), (0.3, 0.52, SECOND), (0.52, 0.7, ACCENT)):
        layers.append(Layer(colour, tile * ((lot >= low) & (lot < high))))
    layers.append(Layer(QUIET, tile * (lot >= 0.85)))
    return layers


def _voronoi(x: Array, y: Array, rng: np.random.Generator, jitter: float) -> tuple[Array, Array]:
    """Distance to the border of the Voronoi cell (to first order), and a lot for each cell."""
    cells = lattice(x, y)
    shift_x, shift_y, lots = rng.random((3, 31, 31), dtype=np.float32)
    first = np.full_like(x, 9.0)
    second = np.full_like(x, 9.0)
    lot = np.zeros_like(x)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            i, j = (cells.i + di) % 31, (cells.j + dj) % 31
            u = cells.u - di - (shift_x[i, j] - 0.5) * jitter
            v = cells.v - dj - (shift_y[i, j] - 0.5) * jitter
            square = u * u + v * v
            nearer = square < first
            second = np.where(nearer, first, np.minimum(second, square))
            lot = np.where(nearer, lots[i, j], lot)
            first = np.minimum(first, square)
    return (np.sqrt(second) - np.sqrt(first)) * 0.6, lot


def terrazzo(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Terrazzo: angular chips of several colours and sizes, well apart."""
    border, lot = _voronoi(plane.x, plane.y, rng, 0.95)
    size = (lot * 7.0) % 1.0
    chip = plane.inside(0.07 + 0.14 * size - border)
    layers = []
    for low, high, colour in ((0.0, 0.36, MAIN), (0.36, 0.6, SECOND), (0.6, 0.82, ACCENT)):
        layers.append(Layer(colour, chip * ((lot >= low) & (lot < high))))
    return layers


def camouflage(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Camouflage: ragged blots, one over the other."""
    layers = []
    for colour, threshold in ((QUIET, -0.2), (SECOND, 0.3), (MAIN, 0.55), (ACCENT, 1.0)):
        field = plane.noise(rng, 1.8) + 0.3 * plane.noise(rng, 4.0)
        # The field's slope is about 8 a repeat: that makes a distance of it.
        layers.append(Layer(colour, plane.inside((threshold - field) / 8.0)))
    return layers


def leopard(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Leopard: broken rosettes round a darker heart, small spots between them."""
    ragged = plane.noise(rng, 3.0)
    cells = half_drop(plane.x * 1.1, plane.y)
    size = 0.27 + 0.1 * cells.lots(rng)
    gap = cells.lots(rng)
    cells = scattered(cells, rng, 0.1, math.pi)
    radius = np.hypot(cells.u, cells.v * 1.15) + ragged * 0.035
    angle = np.arctan2(cells.v, cells.u) / (2.0 * math.pi) + ragged * 0.02
    # Three blots a ring, joined or apart as their thickness happens to fall.
    blots = np.cos((angle * 3.0 - gap) * (2.0 * math.pi))
    thickness = 0.045 + 0.05 * blots + plane.noise(rng, 2.4) * 0.02
    ring = np.abs(radius - size) - thickness
    spots = scattered(half_drop(plane.x * 1.1, plane.y + 0.5), rng, 0.1, math.pi)
    spot = np.hypot(spots.u, spots.v * 1.4) - 0.12 + ragged * 0.03
    outside = plane.inside(size + 0.12 - radius)
    return [
        Layer(SECOND, plane.inside(radius - size) * 0.8),
        Layer(MAIN, plane.inside(ring)),
        Layer(MAIN, plane.inside(spot) * outside),
    ]


def zebra(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Zebra: stripes that bend, swell, fork and end."""
    bend = plane.noise(rng, 0.5) * 0.55 + plane.noise(rng, 1.3) * 0.1
    wave = np.sin((plane.x * 1.6 + bend) * (2.0 * math.pi))
    swell = plane.noise(rng, 1.1) * 0.42
    return [Layer(MAIN, plane.inside((wave * -1.0 - swell) / 9.0))]


def shibori(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Shibori: rings where the cloth was bound, the dye bleeding along the pleats."""
    cells = scattered(half_drop(plane.x, plane.y), rng, 0.05, math.pi)
    angle = np.arctan2(cells.v, cells.u)
    pleats = np.cos(angle * float(rng.integers(9, 15)) + plane.noise(rng, 2.0))
    radius = np.hypot(cells.u, cells.v) + plane.noise(rng, 2.2) * 0.035 + pleats * 0.01
    mottle = smooth(0.5 + plane.noise(rng, 1.5) * 0.35)
    streaks = 0.72 + 0.28 * pleats
    layers = [Layer(QUIET, mottle), Layer(SECOND, smooth(1.0 - radius * 2.6) * 0.5)]
    for middle, half, strength in ((0.40, 0.05, 0.9), (0.26, 0.04, 1.0), (0.13, 0.035, 0.9)):
        # Dye has no edge: each ring fades over a few hundredths of a repeat.
        ring = smooth((half - np.abs(radius - middle)) * 16.0 + 0.5)
        layers.append(Layer(MAIN, ring * streaks * strength))
    layers.append(Layer(MAIN, smooth((0.035 - radius) * 24.0 + 0.3)))
    return layers
