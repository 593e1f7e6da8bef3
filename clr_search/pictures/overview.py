"""A map of pictures: an interactive page without other files, and a picture of it."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search import images
from clr_search.errors import ImageError
from clr_search.pictures.inline import data_uri

TILE = 56
"""Side of a thumbnail on the page, in pixels."""

_COLUMNS = 40  # thumbnails in a row, and in a column, of an atlas
_PNG = 2400
_MOST_COLOURS = 12
_COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b",
    "#e377c2", "#17becf", "#bcbd22", "#003f88", "#7a5195", "#00695c",
)  # fmt: skip
_OTHER = "#8a8a8a"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Spot:
    """A picture at its place.

    Attributes
    ----------
    path : Path
        One that cannot be read is a grey square.
    x, y : float
        In [0, 1], from the left and from the top.
    label : str or None
        Decides on the colour of its frame.
    """

    path: Path
    x: float
    y: float
    label: str | None


def thumbnails(spots: Sequence[Spot]) -> list[Pixels]:
    """Central squares, uint8 (TILE, TILE, 3)."""

    def one(spot: Spot) -> Pixels:
        try:
            return images.square(images.load(spot.path, at_least=TILE).pixels, TILE)
        except ImageError:
            return np.full((TILE, TILE, 3), 200, np.uint8)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, spots))


def colours(spots: Sequence[Spot]) -> dict[str | None, str]:
    """A colour for each label; the same grey for all but the most frequent twelve."""
    counted = Counter(spot.label for spot in spots if spot.label is not None)
    frequent = sorted(counted, key=lambda label: (-counted[label], label))
    found: dict[str | None, str] = dict.fromkeys((spot.label for spot in spots), _OTHER)
    found.update(zip(frequent[:_MOST_COLOURS], _COLOURS, strict=False))
    return found


def page(title: str, lead: str, spots: Sequence[Spot], tiles: Sequence[Pixels]) -> str:
    """An interactive page: move, zoom, look at a picture, find by name; no other file is needed."""
    by_label = colours(spots)
    legend = [(name, colour) for name, colour in by_label.items() if name and colour != _OTHER]
    data = {
        "tile": TILE,
        "columns": _COLUMNS,
        "legend": sorted(legend),
        "atlases": [data_uri(atlas) for atlas in _atlases(tiles)],
        "items": [
            {
                "x": round(spot.x, 5),
                "y": round(spot.y, 5),
                "path": _plain(str(spot.path)),
                "colour": by_label[spot.label],
                "cell": number,
            }
            for number, spot in enumerate(spots)
        ],
    }
    script = _resource("map.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # `<` would end the block of data, wherever it stands in a file name.
    values = {
        "TITLE": escape(_plain(title)),
        "LEAD": escape(_plain(lead)),
        "SCRIPT_HASH": digest,
        "SCRIPT": script,
        "DATA": json.dumps(data).replace("<", "\\u003c"),
    }
    found = _resource("map.html")
    for name, value in values.items():  # data last, so that nothing in it is taken for a name
        found = found.replace(f"@{name}@", value)
    return found


def picture(spots: Sequence[Spot], tiles: Sequence[Pixels]) -> Image.Image:
    """A square picture; where two would lie on one another, only the first is drawn."""
    side = int(min(TILE, max(16, 0.9 * _PNG / math.sqrt(max(len(spots), 1)))))
    cells = _PNG // side
    canvas, taken = Image.new("RGB", (_PNG, _PNG), "white"), set()
    for spot, tile in zip(spots, tiles, strict=True):
        cell = (min(int(spot.x * cells), cells - 1), min(int(spot.y * cells), cells - 1))
        if cell in taken:
            continue
        taken.add(cell)
        small = Image.fromarray(tile).resize((side, side), Image.Resampling.BOX)
        canvas.paste(small, (cell[0] * side, cell[1] * side))
    return canvas


def _atlases(tiles: Sequence[Pixels]) -> list[Pixels]:
    """Thumbnails in squares of 40 by 40, so that a page has few pictures to load."""
    found, each = [], _COLUMNS**2
    for at in range(0, len(tiles), each):
        part = tiles[at : at + each]
        rows = -(-len(part) // _COLUMNS)
        atlas = np.full((rows * TILE, _COLUMNS * TILE, 3), 255, np.uint8)
        for number, tile in enumerate(part):
            y, x = divmod(number, _COLUMNS)
            atlas[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] = tile
        found.append(atlas)
    return found


def _plain(text: str) -> str:
    """Names that are no valid Unicode, with replacement characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _resource(name: str) -> str:
    return resources.files("clr_search.pictures").joinpath(name).read_text(encoding="utf-8")
