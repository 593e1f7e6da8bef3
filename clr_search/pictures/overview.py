"""A map of pictures is an interactive HTML page that needs no other file, or one large picture."""

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
"""Side in pixels of the square thumbnails."""

_COLUMNS = 40
"""Number of thumbnails in a row of an atlas, and largest number of its rows."""

_SIDE = 2400
"""Side in pixels of the map as a picture."""

_COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b",
    "#e377c2", "#17becf", "#bcbd22", "#003f88", "#7a5195", "#00695c",
)  # fmt: skip
"""Colours of the most frequent labels; more than twelve could hardly be told apart."""

_OTHER = "#8a8a8a"
"""Colour of all other labels, and of pictures without one."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Spot:
    """A picture of a map, and its position.

    Attributes
    ----------
    path : Path
        File of the picture; one that cannot be read is drawn as a grey square.
    x, y : float
        Position from the left and from the top, in [0, 1].
    label : str or None
        Label of the picture, which decides on the colour of its frame; None if it has none.
    """

    path: Path
    x: float
    y: float
    label: str | None


def thumbnails(spots: Sequence[Spot]) -> list[Pixels]:
    """Read the central square of each picture, uint8 (TILE, TILE, 3).

    Examples
    --------
    >>> [grey] = thumbnails([Spot(Path("missing.jpg"), 0.5, 0.5, None)])
    >>> grey.shape
    (56, 56, 3)
    """

    def thumbnail(spot: Spot) -> Pixels:
        try:
            return images.square(images.load(spot.path, at_least=TILE).pixels, TILE)
        except ImageError:
            return np.full((TILE, TILE, 3), 200, np.uint8)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(thumbnail, spots))


def colours(spots: Sequence[Spot]) -> dict[str | None, str]:
    """Choose a colour for each label: one of its own for the most frequent twelve, else grey.

    Examples
    --------
    >>> colours([Spot(Path("a.jpg"), 0, 0, "rose"), Spot(Path("b.jpg"), 1, 1, None)])
    {'rose': '#1f77b4', None: '#8a8a8a'}
    """
    counted = Counter(spot.label for spot in spots if spot.label is not None)
    frequent = sorted(counted, key=lambda label: (-counted[label], label))
    by_label: dict[str | None, str] = dict.fromkeys((spot.label for spot in spots), _OTHER)
    by_label.update(zip(frequent, _COLOURS, strict=False))
    return by_label


def page(title: str, lead: str, spots: Sequence[Spot], tiles: Sequence[Pixels]) -> str:
    """Return an interactive HTML page, on which one moves, zooms, and finds pictures by name.

    Parameters
    ----------
    title, lead : str
        Heading of the page, and the line beside it.
    spots : sequence of Spot
        Pictures of the map.
    tiles : sequence of uint8 array, shape (TILE, TILE, 3)
        Their `thumbnails`, in the same order.

    Returns
    -------
    str
        The page, with the thumbnails embedded, so that it needs no other file.

    Examples
    --------
    >>> spots = [Spot(Path("rose.jpg"), 0.2, 0.7, "flowers")]
    >>> html = page("Map of photos.clr", "1 picture", spots, thumbnails(spots))
    >>> "rose.jpg" in html, "data:image/jpeg" in html
    (True, True)
    """
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
    # A `<` in a file name could end the element that the data stand in, so it is escaped.
    values = {
        "TITLE": escape(_plain(title)),
        "LEAD": escape(_plain(lead)),
        "SCRIPT_HASH": digest,
        "SCRIPT": script,
        "DATA": json.dumps(data).replace("<", "\\u003c"),
    }
    html = _resource("map.html")
    for name, value in values.items():  # The data come last, so that nothing in them is replaced.
        html = html.replace(f"@{name}@", value)
    return html


def picture(spots: Sequence[Spot], tiles: Sequence[Pixels]) -> Image.Image:
    """Draw a map as a square RGB picture of 2,400 pixels a side.

    Parameters
    ----------
    spots : sequence of Spot
        Pictures of the map. Where two would cover each other, only the first is drawn.
    tiles : sequence of uint8 array, shape (TILE, TILE, 3)
        Their `thumbnails`, in the same order.

    Examples
    --------
    >>> spots = [Spot(Path("rose.jpg"), 0.2, 0.7, "flowers")]
    >>> picture(spots, thumbnails(spots)).size
    (2400, 2400)
    """
    side = int(min(TILE, max(16, 0.9 * _SIDE / math.sqrt(max(len(spots), 1)))))
    cells = _SIDE // side
    canvas, taken = Image.new("RGB", (_SIDE, _SIDE), "white"), set()
    for spot, tile in zip(spots, tiles, strict=True):
        cell = (min(int(spot.x * cells), cells - 1), min(int(spot.y * cells), cells - 1))
        if cell in taken:
            continue
        taken.add(cell)
        small = Image.fromarray(tile).resize((side, side), Image.Resampling.BOX)
        canvas.paste(small, (cell[0] * side, cell[1] * side))
    return canvas


def _atlases(tiles: Sequence[Pixels]) -> list[Pixels]:
    """Join thumbnails into pictures of up to 40 by 40, as a page loads few pictures faster."""
    atlases, capacity = [], _COLUMNS**2
    for start in range(0, len(tiles), capacity):
        batch = tiles[start : start + capacity]
        rows = -(-len(batch) // _COLUMNS)
        atlas = np.full((rows * TILE, _COLUMNS * TILE, 3), 255, np.uint8)
        for number, tile in enumerate(batch):
            y, x = divmod(number, _COLUMNS)
            atlas[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE] = tile
        atlases.append(atlas)
    return atlases


def _plain(text: str) -> str:
    """Return text as valid Unicode; bytes of a file name that are not UTF-8 become ``?``."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _resource(name: str) -> str:
    """Read a text file that lies beside this module."""
    return resources.files("clr_search.pictures").joinpath(name).read_text(encoding="utf-8")
