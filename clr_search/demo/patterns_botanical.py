"""Patterns of flowers and leaves."""

from __future__ import annotations

import math

import numpy as np

from clr_search.demo.palettes import ACCENT, GROUND, LIGHT, MAIN, QUIET, SECOND, SHADOW
from clr_search.demo.plane import (
    Array,
    Cells,
    Layer,
    Plane,
    half_drop,
    scattered,
    smooth,
    turn,
    wrap,
)


def _leaf(u: Array, v: Array, length: float, width: float) -> Array:
    """Distance to a pointed leaf that grows from the origin along +u, about true at its edge."""
    t = (u / length).clip(0.0, 1.0)
    half = width * np.sqrt(t) * (1.0 - t) * 2.0
    beyond = np.maximum(-u, u - length)
    distance: Array = np.maximum(np.abs(v) - half, beyond)
    return distance


def floral(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Flowers: open blossoms strewn among pairs of leaves."""
    cells = half_drop(plane.x, plane.y)
    tone = cells.lots(rng)
    flower = scattered(cells, rng, 0.05, math.pi)
    petals = float(rng.integers(5, 8))
    angle = np.arctan2(flower.v, flower.u)
    radius = np.hypot(flower.u, flower.v)
    lobe = np.abs(np.cos(angle * (petals / 2.0)))
    size = rng.uniform(0.34, 0.4)
    outline = radius - size * (0.55 + 0.45 * np.sqrt(lobe))
    blossom = plane.inside(outline * 0.85)
    vein = smooth(1.0 - lobe * 3.0) * smooth(radius * 6.0)
    glow = smooth(1.0 - radius / size)
    layers = _foliage(plane, rng)
    other = (tone < 0.4).astype(np.float32)
    layers += [
        Layer(MAIN, blossom * (1.0 - other)),
        Layer(ACCENT, blossom * other),
        Layer(SHADOW, blossom * vein * 0.35),
        Layer(LIGHT, blossom * (1.0 - glow) * 0.18),
        Layer(GROUND, plane.inside(radius - 0.115)),
        Layer(SECOND, plane.inside(radius - 0.085)),
    ]
    return layers


def _foliage(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Pairs of leaves in the gaps between the blossoms of a half-drop lattice."""
    cells = scattered(half_drop(plane.x, plane.y + 0.5), rng, 0.03, math.pi)
    layers = []
    for side in (-1.0, 1.0):
        u, v = turn(cells.u * side, cells.v, 0.35 * side)
        leaf = plane.inside(_leaf(u, v, 0.44, 0.14))
        rib = plane.inside(np.abs(v) - 0.012) * leaf
        layers += [Layer(SECOND, leaf), Layer(QUIET, rib * 0.8)]
    return layers


def paisley(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Paisley: curled teardrops within teardrops, among seeds."""
    cells = half_drop(plane.x, plane.y * 0.8)
    turned = ((cells.j % 2) * math.pi + 0.25).astype(np.float32)
    u, v = turn(cells.u, cells.v * 1.25, turned)
    hook = rng.uniform(0.8, 1.05)
    distance = _boteh(u, v + 0.02, hook)
    seeds = half_drop(plane.x * 4.5, plane.y * 4.5)
    seed = plane.inside((np.hypot(seeds.u, seeds.v) - 0.2) / 4.5) * plane.inside(0.1 - distance)
    grains = half_drop(plane.x * 10.0, plane.y * 10.0)
    grain = plane.inside((np.hypot(grains.u, grains.v) - 0.26) / 10.0)
    around = np.arctan2(u - 0.02, v - 0.15)
    scallop = np.abs(wrap(around * (8.0 / math.pi))) * 0.07
    eye = np.hypot(u + 0.05, v - 0.17)
    return [
        Layer(QUIET, seed),
        Layer(SECOND, plane.inside(distance - 0.055 + scallop)),
        Layer(MAIN, plane.inside(distance)),
        Layer(GROUND, plane.inside(np.abs(distance + 0.06) - 0.014)),
        Layer(ACCENT, plane.inside(distance + 0.115)),
        Layer(GROUND, grain * plane.inside(distance + 0.15) * plane.inside(0.13 - eye)),
        Layer(GROUND, plane.inside(np.abs(eye - 0.07) - 0.02)),
        Layer(MAIN, plane.inside(eye - 0.025)),
    ]


def _boteh(u: Array, v: Array, hook: float) -> Array:
    """Distance to a teardrop, round below (v > 0) and curled to one side at its tip."""
    t = ((v + 0.5) / 0.93).clip(0.0, 1.0)  # 0 at the tip, 1 at the foot
    rest = 1.0 - t
    spine = hook * (rest**3 * 0.7 - rest * 0.28)  # leans one way, then hooks back the other
    half = 1.02 * t**1.3 * np.sqrt(rest * (1.15 - 0.15 * rest))
    beyond = np.maximum(-0.5 - v, v - 0.43)
    distance: Array = np.maximum((np.abs(u - spine) - half) * 0.75, beyond)
    return distance


def damask(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Damask: mirrored palmettes in an ogee frame, tone on tone."""
    cells = half_drop(plane.x, plane.y * 0.62)
    u, v = np.abs(cells.u), cells.v * (1.0 / 0.62)
    frame = _ogee(u, v, rng)
    u, v = u / 1.15, v / 1.15
    fronds = float(rng.integers(6, 9))
    angle = np.arctan2(u, -(v - 0.22))
    radius = np.hypot(u, v - 0.22)
    lobe = np.abs(np.cos(angle * fronds / 2.0))
    fan = radius - (0.2 + 0.34 * lobe * smooth(1.25 - angle * 0.42))
    ribs = plane.inside((lobe - 0.25) * radius * 0.2) * plane.inside(0.08 - radius)
    bud = _leaf(-(v - 0.2), u, 0.42, 0.11)
    curl = np.abs(np.hypot(u - 0.17, v - 0.42) - 0.095) - 0.032
    drop = _leaf(v - 0.26, u, 0.44, 0.12)
    figure = np.minimum(np.minimum(fan, curl), drop)
    return [
        Layer(QUIET, np.full_like(plane.x, 0.25)),
        Layer(MAIN, np.maximum(plane.inside(figure), plane.inside(frame)) * 0.9),
        Layer(GROUND, ribs * plane.inside(fan) * 0.55),
        Layer(GROUND, plane.inside(bud - 0.02)),
        Layer(SECOND, plane.inside(bud)),
    ]


def _ogee(u: Array, v: Array, rng: np.random.Generator) -> Array:
    """Distance to a scalloped ogee frame of a half-drop cell 1 wide and 1/0.62 high."""
    t = np.abs(v) * 0.62 * 2.0  # 0 in the middle, 1 at the top and foot of the cell
    curve = 0.25 + 0.25 * np.cos(t * math.pi)
    scallop = np.abs(np.sin(v * (math.pi * 7.0))) * 0.03
    distance: Array = np.abs(u - curve) * 0.8 - (rng.uniform(0.02, 0.03) + scallop)
    return distance


def leaves(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Leaves: climbing stems with leaves to either side, as on a toile."""
    i = np.floor(plane.x + 0.5)
    sway = np.sin(plane.y * (2.0 * math.pi) + i * 2.1) * 0.08
    u = plane.x - i + sway
    stem = plane.inside(np.abs(u) - 0.018)
    pitch = rng.uniform(2.6, 3.2)
    layers = [Layer(SECOND, stem)]
    for side, phase in ((1.0, 0.0), (-1.0, 0.5)):
        cells = _along(plane.y * pitch + phase + i * 0.3, u, pitch)
        a, b = turn(cells.u * side, -cells.v, 0.6)
        leaf = plane.inside(_leaf(a, b, 0.46, 0.115))
        rib = plane.inside(np.abs(b) - 0.011) * leaf
        shade = smooth(b * 12.0 + 0.5) * 0.45
        layers += [Layer(MAIN, leaf), Layer(SECOND, leaf * shade), Layer(GROUND, rib * 0.8)]
    return layers


def _along(t: Array, u: Array, pitch: float) -> Cells:
    """Cells one above the other along a stem."""
    j = np.floor(t + 0.5)
    none = np.zeros_like(j, dtype=np.int32)
    return Cells(none, j.astype(np.int32), u, (t - j) / pitch - 0.12)


def sprigs(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Sprigs: small tulips on bent stalks, all growing one way."""
    cells = half_drop(plane.x, plane.y)
    tone = (cells.lots(rng) < 0.35).astype(np.float32)
    cells = scattered(cells, rng, 0.04, 0.25)
    u, v = cells.u, cells.v
    bend = 0.05 * np.sin((v - 0.05) * 6.0)
    stalk = np.maximum(np.abs(u - bend) - 0.022, np.abs(v - 0.2) - 0.26)
    layers = [Layer(SECOND, plane.inside(stalk))]
    for side in (-1.0, 1.0):
        a, b = turn(u * side, v - 0.36, -0.8)
        layers.append(Layer(SECOND, plane.inside(_leaf(a, b, 0.4, 0.09))))
    cup = np.full_like(u, 9.0)
    for lean in (-0.42, 0.42):
        a, b = turn(-(v - 0.03), u, lean)
        cup = np.minimum(cup, _leaf(a, b, 0.42, 0.15))
    middle = _leaf(-(v - 0.02), u, 0.36, 0.1)
    layers += [
        Layer(MAIN, plane.inside(cup) * (1.0 - tone)),
        Layer(ACCENT, plane.inside(cup) * tone),
        Layer(GROUND, plane.inside(middle - 0.014)),
        Layer(ACCENT, plane.inside(middle + 0.012) * (1.0 - tone)),
        Layer(MAIN, plane.inside(middle + 0.012) * tone),
    ]
    return layers
