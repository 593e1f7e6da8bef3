"""Confusion matrices: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.pictures.figure import as_picture, blank_figure, points, set_font
from clr_search.pictures.lettering import ACCENT, INK, MUTED, PAPER, length, shortened

RIGHT = ((239, 243, 252), (24, 66, 160))
WRONG = ((250, 246, 243), (168, 44, 6))
"""Shades of a cell whose share of its row is 0 and 1: blue and vermilion, which people who do not
tell red from green tell apart."""

_LONGEST = 16  # times the size of the text: a longer name gives up its middle


class _Sizes(NamedTuple):
    """Pixels: the side of a cell, and the size of the text."""

    cell: int
    text: int

    @classmethod
    def of(cls, count: int) -> _Sizes:
        # Up to 60 classes cells hold numbers; with hundreds, only shades can be told apart.
        room = max(26, min(72, 1100 // max(count, 1))) if count <= 60 else 1600 // count
        cell = max(2, room)
        return cls(cell, max(11, min(16, cell * 2 // 5)))

    @property
    def named(self) -> bool:
        """Whether rows and columns are high enough for their names."""
        return self.cell >= self.text


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

    Raises
    ------
    MissingExtraError
        If matplotlib, of the extra ``plots``, is not installed.
    """
    count = len(classes)
    sizes = _Sizes.of(count)
    counts = np.array(matrix, dtype=np.int64).reshape(count, count)
    side = max(count, 1) * sizes.cell
    figure, axes = blank_figure(side, side)
    if count:
        _draw_cells(axes, counts, sizes)
    _write_axes(axes, classes, sizes)
    if sizes.named:
        _write_recalls(axes, counts, sizes)
    if title:
        set_font(axes.set_title(title, loc="left", pad=sizes.text), sizes.text * 5 / 4, INK)
    return as_picture(figure)


def _draw_cells(axes: Any, counts: NDArray[np.int64], sizes: _Sizes) -> None:
    """Draw cells: blue on the diagonal, vermilion beside it, the darker the larger the share."""
    shades = _shades(counts)
    axes.imshow(shades, interpolation="nearest", aspect="auto")
    if sizes.cell >= 10:
        borders = np.arange(len(counts) + 1) - 0.5
        axes.set_xticks(borders, minor=True)
        axes.set_yticks(borders, minor=True)
        axes.grid(which="minor", color=PAPER, linewidth=points(1))
        axes.tick_params(which="minor", length=0)
    if sizes.cell < 20:
        return
    luma = shades @ [0.299, 0.587, 0.114]  # ITU-R BT.601
    for row, column in np.argwhere(counts):
        size, written = _fitting(int(counts[row, column]), sizes.cell)
        text = axes.text(column, row, written, ha="center", va="center_baseline")
        set_font(text, size, PAPER if luma[row, column] < 135 else INK)
        text.set_in_layout(False)  # it lies within the axes: its extent need not be found


def _shades(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Colours of the cells, uint8 [C, C, 3]."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    strength = shares[..., None] ** 0.7  # so that rare confusions are still seen
    diagonal = np.eye(len(counts), dtype=bool)[..., None]
    pale, deep = (np.where(diagonal, RIGHT[end], WRONG[end]) for end in (0, 1))
    shades: NDArray[np.uint8] = np.rint(pale + (deep - pale) * strength).astype(np.uint8)
    return shades


def _write_axes(axes: Any, classes: Sequence[str], sizes: _Sizes) -> None:
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    pad = points(sizes.text // 2)
    set_font(axes.set_xlabel("taken for", loc="left", labelpad=2 * pad), sizes.text, ACCENT)
    set_font(axes.set_ylabel("true class", loc="top", labelpad=2 * pad), sizes.text, ACCENT)
    names = [shortened(name, sizes.text, _LONGEST * sizes.text) for name in classes]
    places = range(len(names)) if sizes.named else []
    axes.set_xticks(places, names if sizes.named else [], rotation=90)
    axes.set_yticks(places, names if sizes.named else [])
    axes.tick_params(length=0, pad=pad)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        set_font(label, sizes.text, INK)


def _write_recalls(axes: Any, counts: NDArray[np.int64], sizes: _Sizes) -> None:
    """Write each class's recall and number of pictures to the right of its row."""

    def write(x: int, row: float, text: str, colour: str) -> None:
        """Write at `x` pixels to the right of the matrix."""
        place = (len(counts) - 0.5, row)
        offset = (points(x), 0)
        written = axes.annotate(text, place, xytext=offset, textcoords="offset points")
        written.set_verticalalignment("center_baseline")
        written.set_annotation_clip(False)  # though it belongs to a place outside of the axes
        set_font(written, sizes.text, colour)

    left = sizes.text // 2
    write(left, -0.5 - 1.2 * sizes.text / sizes.cell, "recall", ACCENT)
    for row, total in enumerate(counts.sum(axis=1).tolist()):
        recall = f"{100 * counts[row, row] / total:.0f} %" if total else "–"
        write(left, row, recall, INK)
        write(left + length("100 %   ", sizes.text), row, f"of {total:,}", MUTED)


def _fitting(value: int, cell: int) -> tuple[int, str]:
    """Size and spelling of a count that fit into its cell."""
    for size in range(min(16, cell * 2 // 5), 8, -1):
        if length(str(value), size) <= cell - 4:
            return size, str(value)
    return 9, f"{value / 1000:.0f}k"
