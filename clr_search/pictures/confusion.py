"""Confusion matrices: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from clr_search.pictures.lettering import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    length,
    shortened,
    write,
    write_upwards,
)

RIGHT = ((239, 243, 252), (24, 66, 160))
WRONG = ((250, 246, 243), (168, 44, 6))
"""Shades of a cell whose share of its row is 0 and 1."""


def confusion_matrix(
    matrix: Sequence[Sequence[int]], classes: Sequence[str], *, title: str = ""
) -> Image.Image:
    """Draw how often each class was taken for each.

    Parameters
    ----------
    matrix : sequence of sequences of int, shape (C, C)
        Counts: rows are the true classes, columns what they were taken for.
    classes : sequence of str, length C
        Names, in the order of the matrix.
    title : str
        A line above it.

    Returns
    -------
    PIL image
        RGB. A cell's shade is its share of the row; its number is the count. The column at the
        right is each class's recall, with its number of pictures.
    """
    return _Matrix(matrix, classes, title).draw()


class _Matrix:
    """Places and draws; all lengths follow from the number of classes."""

    def __init__(self, matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> None:
        count = len(classes)
        self._matrix, self._title = matrix, title
        # Up to 60 classes cells hold numbers; with hundreds, only shades can be told apart.
        self._cell = max(26, min(72, 1100 // max(count, 1))) if count <= 60 else 1600 // count
        self._cell = max(2, self._cell)
        self._text = text = max(11, min(16, self._cell * 2 // 5))
        self._named = self._cell >= text
        self._names = [shortened(name, text, 15 * text) for name in classes if self._named]
        self._margin, self._gap = 2 * text, text // 2
        widest = max((length(name, text) for name in self._names), default=0)
        self._left = self._margin + 2 * text + widest + self._gap
        self._band = self._margin + (3 * text if title else 0)  # where "taken for" stands
        self._top = self._band + 2 * text + widest + self._gap
        self._side = count * self._cell

    def draw(self) -> Image.Image:
        right = self._margin + (length("100 %  of 99,999", self._text) if self._named else 0)
        width = self._left + self._side + max(right, 2 * self._margin)
        if self._title:
            width = max(width, 2 * self._margin + length(self._title, self._text * 5 // 4))
        height = self._top + self._side + self._margin
        self._sheet = Image.new("RGB", (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._sheet)
        self._write_axes()
        for row, counts in enumerate(self._matrix):
            total = sum(counts)
            for column, value in enumerate(counts):
                self._shade(row, column, value, value / total if total else 0.0)
            if self._named:
                self._write_recall(row, counts[row], total)
        return self._sheet

    def _write_axes(self) -> None:
        text, left, top = self._text, self._left, self._top
        if self._title:
            write(self._draw, (self._margin, self._margin), self._title, text * 5 // 4, INK)
        write(self._draw, (left, self._band), "taken for", text, ACCENT)
        end = top + length("true class", text)
        write_upwards(self._sheet, (self._margin, end), "true class", text, ACCENT)
        if self._named:
            place = (left + self._side + self._gap, top - 2 * text)
            write(self._draw, place, "recall", text, ACCENT)
        for number, name in enumerate(self._names):
            x = left - self._gap - length(name, text)
            write(self._draw, (x, self._line(top, number)), name, text, INK)
            place = (self._line(left, number), top - self._gap)
            write_upwards(self._sheet, place, name, text, INK)

    def _line(self, start: int, number: int) -> int:
        """Where a line of text begins that is centred on a row or column."""
        return start + number * self._cell + (self._cell - self._text) // 2 - self._text // 6

    def _write_recall(self, row: int, right: int, total: int) -> None:
        x, y = self._left + self._side + self._gap, self._line(self._top, row)
        write(self._draw, (x, y), f"{100 * right / total:.0f} %" if total else "-", self._text, INK)
        write(self._draw, (x + 4 * self._text, y), f"of {total:,}", self._text, MUTED)

    def _shade(self, row: int, column: int, value: int, share: float) -> None:
        """A cell: blue on the diagonal, red beside it, the darker the larger the share."""
        cell, x, y = self._cell, self._left + column * self._cell, self._top + row * self._cell
        pale, deep = RIGHT if row == column else WRONG
        strength = share**0.7 if value else 0.0  # so that rare confusions are still seen
        red, green, blue = (round(a + (b - a) * strength) for a, b in zip(pale, deep, strict=True))
        rim = 1 if cell >= 10 else 0
        self._draw.rectangle((x + rim, y + rim, x + cell - 1, y + cell - 1), (red, green, blue))
        if not value or cell < 20:
            return
        size, written = _fitting(value, cell)
        place = (x + (cell - length(written, size)) // 2 + 1, y + (cell - size) // 2 - size // 6)
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 135  # luma, ITU-R BT.601
        write(self._draw, place, written, size, PAPER if dark else INK)


def _fitting(value: int, cell: int) -> tuple[int, str]:
    """Size and spelling of a count that fit into its cell."""
    for size in range(min(16, cell * 2 // 5), 8, -1):
        if length(str(value), size) <= cell - 4:
            return size, str(value)
    return 9, f"{value / 1000:.0f}k"
