"""A contact sheet shows queries with their search results, one query a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw

from clr_search import images
from clr_search.errors import ImageError
from clr_search.pictures.lettering import (
    ACCENT,
    BAD,
    CARD,
    GOOD,
    INK,
    MUTED,
    PAPER,
    RULE,
    length,
    shortened,
    wrapped,
    write,
)

MAX_PIXELS = 60_000_000
"""Largest number of pixels of a contact sheet, which takes 180 MB of memory. Rows that do not fit
are left out, and their number is written at its foot."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture of a contact sheet, with the text below it.

    Attributes
    ----------
    picture : Path or PIL image
        The picture, or its file. A missing or broken file is drawn as a grey tile with the reason.
    caption : str
        Line of text such as the name of the file; its middle is left out if it is too long.
    label : str
        Class or folder of the picture.
    score : float or None
        Cosine similarity to the query, in [-1, 1]; None for none.
    same : bool or None
        Whether the label is that of the query, marked by a tick or a cross; None for no mark.
    """

    picture: Path | Image.Image
    caption: str = ""
    label: str = ""
    score: float | None = None
    same: bool | None = None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A query, and the results of its search, the nearest first."""

    query: Tile
    results: Sequence[Tile]


def contact_sheet(
    rows: Sequence[SheetRow], *, tile: int = 160, columns: int = 10, title: str = ""
) -> Image.Image:
    """Draw queries with their results, one query a row.

    Parameters
    ----------
    rows : sequence of SheetRow
        Queries and results. Files are read one at a time, as they are drawn.
    tile : int
        Side in pixels of the square that a picture is fitted into; it keeps its proportions.
    columns : int
        Largest number of results beside each other; further ones go to lines below.
    title : str
        Line of text above all rows; none where it is empty.

    Returns
    -------
    PIL image
        RGB, of about `MAX_PIXELS` pixels at most. The last line says how many rows did not fit.

    Examples
    --------
    >>> query = Tile(Image.new("RGB", (64, 48), "red"), "query.jpg")
    >>> result = Tile(Image.new("RGB", (48, 64), "orange"), "a.jpg", score=0.93)
    >>> contact_sheet([SheetRow(query, [result])], tile=64, title="Nearest").mode
    'RGB'
    """
    return _Sheet(rows, tile, columns, title).draw()


class _Sheet:
    """A contact sheet while it is drawn; all its lengths follow from the side of a tile."""

    def __init__(self, rows: Sequence[SheetRow], tile: int, columns: int, title: str) -> None:
        self._rows, self._tile, self._title = rows, tile, title
        longest = max((len(row.results) for row in rows), default=0)
        self._columns = max(1, min(columns, longest))
        self._margin, self._gap, self._gutter = round(tile * 0.2), round(tile * 0.1), tile // 4
        self._text = max(10, round(tile * 0.085))
        self._line = round(self._text * 1.4)
        self._cell = tile + self._gap // 2 + 2 * self._line + 2 * self._gap
        across = (self._columns + 1) * (tile + self._gap) - 2 * self._gap + self._gutter
        self._width = 2 * self._margin + self._gap + across

    def draw(self) -> Image.Image:
        """Draw the heading, the rows that fit, and the foot."""
        heights = [self._lines(row) * self._cell for row in self._rows]
        top = self._margin + (2 * self._line if self._title else 0) + round(1.6 * self._line)
        foot = 2 * self._line + self._margin
        shown, height = 0, top + foot
        for row_height in heights:
            if shown and (height + row_height) * self._width > MAX_PIXELS:
                break
            shown, height = shown + 1, height + row_height
        self._sheet = Image.new("RGB", (self._width, height), PAPER)
        self._draw = ImageDraw.Draw(self._sheet)
        self._head(top)
        for row, row_height in zip(self._rows[:shown], heights, strict=False):
            self._row(row, top)
            top += row_height
            y = top - self._gap
            self._draw.line((self._margin, y, self._width - self._margin - self._gap, y), RULE)
        self._foot(top, len(self._rows) - shown)
        return self._sheet

    def _lines(self, row: SheetRow) -> int:
        """Return the number of lines that the results of a row take."""
        return max(1, -(-len(row.results) // self._columns))

    def _left(self, column: int) -> int:
        """Return the left edge, in pixels, of the results in a column."""
        return self._margin + self._tile + self._gutter + column * (self._tile + self._gap)

    def _head(self, bottom: int) -> None:
        """Write the title and the headings of the columns, above the line `bottom`."""
        if self._title:
            write(self._draw, (self._margin, self._margin), self._title, self._text * 3 // 2, INK)
        y = bottom - round(1.6 * self._line)
        write(self._draw, (self._margin, y), "query", self._text, ACCENT)
        if any(row.results for row in self._rows):
            write(self._draw, (self._left(0), y), "nearest first", self._text, MUTED)

    def _row(self, row: SheetRow, top: int) -> None:
        """Draw a query, a rule beside it, and its results."""
        self._draw_tile(row.query, self._margin, top, query=True)
        x = self._margin + self._tile + self._gutter // 2
        self._draw.line((x, top, x, top + self._tile), RULE, 1)
        for number, result in enumerate(row.results):
            line, column = divmod(number, self._columns)
            self._draw_tile(result, self._left(column), top + line * self._cell, query=False)

    def _draw_tile(self, tile: Tile, left: int, top: int, *, query: bool) -> None:
        """Draw a picture with the text below it; a query gets a frame."""
        side, radius = self._tile, max(3, self._tile // 26)
        card = _fitted(tile.picture, side, self._text)
        self._sheet.paste(card, (left, top), _rounded((side, side), radius))
        if query:
            box = (left - 3, top - 3, left + side + 2, top + side + 2)
            self._draw.rounded_rectangle(box, radius + 3, outline=ACCENT, width=2)
        y = top + side + self._gap // 2
        score = "" if tile.score is None else f"{tile.score:.3f}"
        write(self._draw, (left, y), score, self._text, INK)
        mark = 0 if tile.same is None else self._text
        used = length(score, self._text) + mark if score else mark
        label = shortened(tile.label, self._text, side - used - self._gap // 2)
        x = left + side - length(label, self._text) if score else left
        colour = {None: INK, True: GOOD, False: BAD}[tile.same]
        if tile.same is not None:
            _mark(self._draw, x - mark, y, self._text, colour, tick=tile.same)
        write(self._draw, (x, y), label, self._text, colour)
        caption = shortened(tile.caption, self._text, side)
        below = y + self._line if score or label else y
        write(self._draw, (left, below), caption, self._text, MUTED)

    def _foot(self, top: int, left_out: int) -> None:
        """Write the meaning of scores and marks, and the number of rows that were left out."""
        x, size = self._margin, self._text
        if any(result.score is not None for row in self._rows for result in row.results):
            write(self._draw, (x, top), "score: cosine similarity", size, MUTED)
            x += length("score: cosine similarity", size) + 2 * size
        if any(result.same is not None for row in self._rows for result in row.results):
            for tick, colour, text in ((True, GOOD, "same label"), (False, BAD, "another label")):
                _mark(self._draw, x, top, size, colour, tick=tick)
                write(self._draw, (x + size, top), text, size, MUTED)
                x += length(text, size) + 3 * size
        if left_out:
            more = f"{left_out:,} more {'query' if left_out == 1 else 'queries'} not shown"
            write(self._draw, (x, top), more, size, INK)


def _fitted(picture: Path | Image.Image, side: int, text: int) -> Image.Image:
    """Return a square card with the whole picture, or with the reason why it cannot be read."""
    card = Image.new("RGB", (side, side), CARD)
    try:
        if isinstance(picture, Image.Image):
            decoded = images.from_image(picture)
        else:
            decoded = images.load(picture, at_least=side)
    except ImageError as error:
        _explain(ImageDraw.Draw(card), error.what, side, text)
        return card
    image = Image.fromarray(decoded.pixels)
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    card.paste(image, ((side - size[0]) // 2, (side - size[1]) // 2))
    return card


def _explain(draw: ImageDraw.ImageDraw, reason: str, side: int, text: int) -> None:
    """Write a reason into the middle of a card, in letters `text` pixels high."""
    lines = wrapped(reason, text, side - 2 * text)[: side // (2 * text)]
    step = round(text * 1.35)
    y = (side - step * len(lines)) // 2
    for number, line in enumerate(lines):
        x = (side - length(line, text)) // 2
        write(draw, (x, y + number * step), line, text, MUTED)


def _mark(draw: ImageDraw.ImageDraw, x: int, y: int, size: int, colour: str, *, tick: bool) -> None:
    """Draw a tick or a cross at (x, y), as high as text of this size."""
    unit, width = size * 0.62, max(2, size // 7)
    top = y + size * 0.3
    if tick:
        shape = ((0.0, 0.5), (0.35, 0.9), (1.0, 0.05))
        draw.line([(x + a * unit, top + b * unit) for a, b in shape], colour, width, "curve")
    else:
        for stroke in (((0.05, 0.05), (0.85, 0.85)), ((0.05, 0.85), (0.85, 0.05))):
            draw.line([(x + a * unit, top + b * unit) for a, b in stroke], colour, width)


@lru_cache(maxsize=8)
def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    """Return a mask (mode L) of a rectangle with round corners.

    It is drawn four times as large and shrunk, which makes the corners smooth.
    """
    large = Image.new("L", (4 * size[0], 4 * size[1]), 0)
    box = (0, 0, 4 * size[0] - 1, 4 * size[1] - 1)
    ImageDraw.Draw(large).rounded_rectangle(box, 4 * radius, fill=255)
    return large.resize(size, Image.Resampling.BOX)
