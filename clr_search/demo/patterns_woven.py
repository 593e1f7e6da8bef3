"""Patterns that come from the loom and the needles."""

from __future__ import annotations

import math

import numpy as np

from clr_search.demo.palettes import ACCENT, GROUND, LIGHT, MAIN, QUIET, SECOND, SHADOW
from clr_search.demo.plane import (
    Layer,
    Plane,
    lattice,
    smooth,
    turn,
    wrap,
    zigzag,
)


def stripes(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Awning and shirt stripes: a sequence of unequal bands."""
    count = int(rng.integers(2, 4))
    widths = rng.uniform(0.5, 1.5, 2 * count)
    edges = np.concatenate(([0.0], np.cumsum(widths / widths.sum())))
    colours = [MAIN, *rng.permutation([SECOND, ACCENT])][:count]
    layers = []
    for band, colour in enumerate(colours):
        start, end = float(edges[2 * band]), float(edges[2 * band + 1])
        distance = np.abs(wrap(plane.x - (start + end) / 2)) - (end - start) / 2
        layers.append(Layer(int(colour), plane.inside(distance)))
    return layers


def gingham(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Gingham: equal bands both ways, dark where they cross."""
    share = rng.uniform(0.22, 0.28)
    warp = plane.inside(np.abs(wrap(plane.x)) - share)
    weft = plane.inside(np.abs(wrap(plane.y)) - share)
    other = MAIN if rng.random() < 0.75 else ACCENT
    return [Layer(MAIN, warp * 0.52), Layer(other, weft * 0.55), Layer(MAIN, warp * weft * 0.7)]


def tartan(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Tartan: one symmetrical sequence of bands, the same for warp and weft, woven in twill."""
    colours = [GROUND, MAIN, GROUND, SECOND, ACCENT, SECOND, MAIN]
    widths = rng.uniform(0.7, 1.3, 7) * (2.4, 0.5, 1.2, 2.2, 0.4, 1.2, 1.6)
    edges = np.concatenate(([0.0], np.cumsum(widths / widths.sum())))
    edges[0], edges[-1] = -1.0, 2.0  # the outer bands meet their mirror images
    # Two over, two under: threads finer than a pixel at small sizes melt into a 50 % mix.
    twill = 0.5 + 0.34 * np.sin((plane.x + plane.y) * (2.0 * math.pi * 14.0))
    layers = []
    for along, mix in ((zigzag(plane.x), np.float32(1.0)), (zigzag(plane.y), twill)):
        for colour, start, end in zip(colours, edges[:-1], edges[1:], strict=True):
            distance = np.abs(along - float(start + end) / 2) - float(end - start) / 2
            layers.append(Layer(colour, plane.inside(distance, 2.0) * mix))
    return layers


def windowpane(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Windowpane check: thin lines, single or double, with a fainter overcheck between."""
    width = rng.uniform(0.025, 0.045)
    apart = rng.uniform(0.07, 0.1) if rng.random() < 0.4 else 0.0
    faint = rng.uniform(0.0, 0.7)
    layers = []
    for along in (plane.x, plane.y):
        between = np.abs(wrap(along + 0.5)) - width * 0.7
        layers.append(Layer(SECOND, plane.inside(between) * faint))
    for along in (plane.x, plane.y):
        line = np.abs(np.abs(wrap(along)) - apart) - width
        layers.append(Layer(MAIN, plane.inside(line) * 0.88))
    return layers


def herringbone(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Herringbone: columns of slanted floats that change direction and are set off by half."""
    column = np.floor(plane.x * 2.0)
    odd = column % 2.0
    u = plane.x * 2.0 - column
    pitch = rng.uniform(2.4, 3.0)
    slant = np.where(odd > 0.5, u, 1.0 - u) * rng.uniform(0.9, 1.2)
    t = plane.y * pitch + slant + odd * 0.5
    bars = plane.inside((np.abs(wrap(t)) - rng.uniform(0.22, 0.28)) / pitch)
    seam = plane.inside((0.07 - np.abs(u - np.round(u))) * 0.5)
    lit = smooth(0.5 - wrap(t) * 2.0)
    return [
        Layer(QUIET, np.full_like(plane.x, 0.5)),
        Layer(MAIN, bars * seam),
        Layer(SECOND, bars * seam * lit * 0.35),
    ]


def houndstooth(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Houndstooth: four dark, four light threads both ways in a two-and-two twill."""
    twill = plane.inside((np.abs(wrap((plane.x - plane.y) * 2.0)) - 0.25) / 2.8)
    warp = plane.inside(np.abs(wrap(plane.x)) - 0.25)
    weft = plane.inside(np.abs(wrap(plane.y)) - 0.25)
    strength = rng.uniform(0.9, 1.0)
    return [Layer(MAIN, (twill * warp + (1.0 - twill) * weft) * strength)]


def argyle(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Argyle: upright diamonds of two colours under a thin broken lattice."""
    x, y = plane.x, plane.y * rng.uniform(0.6, 0.72)
    cells = lattice(x, y)
    diamond = plane.inside((np.abs(cells.u) + np.abs(cells.v) - 0.5) * 0.8)
    other = (cells.i % 2).astype(np.float32)
    rising, falling = x + y, x - y
    width = rng.uniform(0.022, 0.032)
    layers = [Layer(MAIN, diamond * (1.0 - other)), Layer(SECOND, diamond * other)]
    for along, across in ((rising, falling), (falling, rising)):
        dashes = plane.inside((np.abs(wrap(along * 6.0)) - 0.32) / 6.0)
        line = plane.inside((np.abs(wrap(across)) - width) * 0.75)
        layers.append(Layer(ACCENT, line * dashes))
    return layers


def basket_weave(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Basket weave: squares of parallel strands, across and upright by turns."""
    strands = float(rng.integers(2, 5))
    cells = lattice(plane.x, plane.y)
    upright = ((cells.i + cells.j) % 2).astype(np.float32)
    across = np.where(upright > 0.5, cells.u, cells.v)
    along = np.where(upright > 0.5, cells.v, cells.u)
    t = wrap((across + 0.5) * strands + 0.5)
    strand = plane.inside((np.abs(t) - 0.40) / strands)
    round_light = 1.0 - (t * 2.0) ** 2
    arch = (1.0 - (along * 2.0) ** 2).clip(0.0, 1.0)  # strands dip under at the ends
    shade = (1.0 - arch) * 0.55 + (1.0 - round_light) * 0.25
    return [
        Layer(SHADOW, np.full_like(plane.x, 0.75)),
        Layer(GROUND, strand * (1.0 - upright)),
        Layer(MAIN, strand * upright),
        Layer(SHADOW, strand * shade * 0.6),
        Layer(LIGHT, strand * arch * round_light.clip(0.0, 1.0) * 0.14),
    ]


def knit(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Stocking stitch: columns of V-shaped stitches in bands of colour work."""
    cells = lattice(plane.x, plane.y * 1.25)
    lean = (np.abs(cells.u) - 0.25) * 1.5  # both legs of the V fall towards its point
    rows = plane.y * 1.25 + lean
    j = np.floor(rows + 0.5)
    v = rows - j
    across = (np.abs(cells.u) - 0.25) * 4.0
    leg = np.sqrt((across * 0.92) ** 2 + (v * 1.75) ** 4) - 0.86
    stitch = plane.inside(leg * 0.25, 2.0)
    bands = rng.choice([GROUND, GROUND, MAIN, SECOND, ACCENT], 12)
    motif = rng.random((6, 12)) < 0.42
    motif |= motif[::-1]
    column = cells.i % 6
    row = j.astype(np.int32) % 12
    chosen = np.where(motif[column, row], MAIN, bands[row])
    chosen = np.where((chosen == MAIN) & (bands[row] == MAIN) & motif[column, row], GROUND, chosen)
    layers = [Layer(SHADOW, np.full_like(plane.x, 0.8))]
    layers += [Layer(c, stitch * (chosen == c)) for c in (GROUND, MAIN, SECOND, ACCENT)]
    light = (0.5 - across * 0.3 - np.abs(v)).clip(0.0, 1.0)
    layers.append(Layer(LIGHT, stitch * light * 0.22))
    layers.append(Layer(SHADOW, stitch * (np.abs(across) ** 3).clip(0.0, 1.0) * 0.3))
    return layers


def ikat(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Ikat: stepped medallions, each warp thread dyed a little off its place."""
    fineness = rng.uniform(26.0, 34.0)
    thread = np.floor(plane.x * fineness).astype(np.int32)
    slip = rng.standard_normal(1021, dtype=np.float32)
    y = plane.y * 0.75 + slip[thread % 1021] * rng.uniform(0.014, 0.028)
    level = zigzag(plane.x + 0.5) * 0.95 + zigzag(y + 0.5) * 1.05
    bounds = np.cumsum(rng.uniform(0.8, 1.2, 6) * (0.2, 0.24, 0.26, 0.3, 0.3, 0.3)) + 0.1
    layers = []
    colours = (QUIET, MAIN, GROUND, SECOND, MAIN, ACCENT)
    for bound, colour in zip(bounds, colours, strict=True):
        depth = 2.05 - float(bound)
        # Dye creeps along the thread: a soft edge many samples wide.
        layers.append(Layer(colour, smooth((depth - level) * 9.0 + 0.5)))
    return layers


def chevron(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Chevron: broad zigzag bands."""
    steep = rng.uniform(0.32, 0.5)
    t = plane.y + zigzag(plane.x) * steep
    scale = 1.0 / math.sqrt(1.0 + 4.0 * steep * steep)
    colours = ((MAIN,), (MAIN, SECOND), (MAIN, ACCENT))[int(rng.integers(3))]
    layers = []
    for number, colour in enumerate(colours):
        share = 0.25 / len(colours) * rng.uniform(0.85, 1.1)
        band = np.abs(wrap(t - number / len(colours))) - share
        layers.append(Layer(colour, plane.inside(band * scale)))
    return layers


def sashiko(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Sashiko: the hemp-leaf figure in running stitches."""
    # Barycentric coordinates in a lattice of equilateral triangles of side 1.
    p = plane.y * (2.0 / math.sqrt(3.0))
    q = plane.x - p * 0.5
    p, q = p - np.floor(p), q - np.floor(q)
    upper = p + q > 1.0
    p, q = np.where(upper, 1.0 - p, p), np.where(upper, 1.0 - q, q)
    ranked = np.sort(np.stack([p, q, 1.0 - p - q]), axis=0)
    low, middle, high = ranked
    width, pitch = rng.uniform(0.022, 0.03), rng.uniform(4.0, 5.0)
    edge = plane.inside(low * (math.sqrt(3.0) / 2.0) - width)
    spoke = plane.inside((middle - low) * 0.5 - width)
    edge *= plane.inside((np.abs(wrap(middle * pitch + 0.5)) - 0.36) / pitch)
    spoke *= plane.inside((np.abs(wrap((1.0 - high) * 0.866 * pitch + 0.5)) - 0.36) / pitch)
    return [Layer(MAIN, np.maximum(edge, spoke))]


def quilted(plane: Plane, rng: np.random.Generator) -> list[Layer]:
    """Quilting: padded lozenges between lines of stitches, a small tuft in each."""
    x, y = turn(plane.x, plane.y, math.pi / 4)
    cells = lattice(x, y)
    rise = (1.0 - (cells.u * 2.0) ** 2) * (1.0 - (cells.v * 2.0) ** 2)
    tilt = (cells.u + cells.v * 0.6) * (1.0 - rise)
    edge = np.minimum(0.5 - np.abs(cells.u), 0.5 - np.abs(cells.v))
    along = np.where(np.abs(cells.u) > np.abs(cells.v), y, x)
    stitch = plane.inside(edge - 0.022) * plane.inside((np.abs(wrap(along * 7.0)) - 0.3) / 7.0)
    odd = ((cells.i + cells.j) % 2).astype(np.float32)
    shade = rng.uniform(0.0, 0.5)
    return [
        Layer(SECOND, odd * shade),
        Layer(SHADOW, (0.75 * (1.0 - rise) ** 2 + tilt * 0.5).clip(0.0, 0.85)),
        Layer(LIGHT, ((-tilt) * 0.6 + rise * 0.1).clip(0.0, 0.6)),
        Layer(MAIN, stitch),
    ]
