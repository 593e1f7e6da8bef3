"""A confusion matrix shows which classes are taken for which."""

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
"""Colours (RGB) of cells on the diagonal and beside it, each for a share of the row of 0 and of 1.
They are blue and vermilion, which people who cannot tell red from green can tell apart."""

_LONGEST = 16
"""Greatest width of a class name, in multiples of the text size; longer names are shortened."""


class _Sizes(NamedTuple):
    """The side of a cell and the height of the text, in pixels."""

    cell: int
    text: int

    @classmethod
    def of(cls, count: int) -> _Sizes:
        """Return the sizes for a matrix of `count` classes."""
        # The cells of up to 60 classes hold numbers; those of hundreds differ by their shades only.
        side = max(26, min(72, 1100 // max(count, 1))) if count <= 60 else 1600 // count
        cell = max(2, side)
        return cls(cell, max(11, min(16, cell * 2 // 5)))

    @property
    def named(self) -> bool:
        """Whether rows are as high as the text, so that classes can be named beside them."""
        return self.cell >= self.text


def confusion_matrix(
    matrix: Sequence[Sequence[int]], classes: Sequence[str], *, title: str = ""
) -> Image.Image:
    """Draw how often pictures of each class were taken for each class.

    Parameters
    ----------
    matrix : sequence of sequences of int, shape (C, C)
        Numbers of pictures by true class (row) and predicted class (column).
    classes : sequence of str, length C
        Names of the classes, in the order of the matrix.
    title : str
        Line of text above the matrix; none where it is empty.

    Returns
    -------
    PIL image
        RGB. The shade of a cell shows its share of the row, and its number is the count. The
        column at the right gives the recall of each class, and its number of pictures.

    Raises
    ------
    MissingExtraError
        If matplotlib, which the extra ``plots`` brings, is not installed.

    Examples
    --------
    >>> confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"], title="Pets").mode
    'RGB'
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
    """Draw the cells, darker for a larger share of the row, and write the counts into them."""
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
        size, spelling = _fitting(int(counts[row, column]), sizes.cell)
        text = axes.text(column, row, spelling, ha="center", va="center_baseline")
        set_font(text, size, PAPER if luma[row, column] < 135 else INK)
        text.set_in_layout(False)  # It lies within the axes, so its extent need not be measured.


def _shades(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the RGB colours of the cells, uint8 [C, C, 3]."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    strength = shares[..., None] ** 0.7  # The power makes rare confusions visible.
    diagonal = np.eye(len(counts), dtype=bool)[..., None]
    pale, deep = (np.where(diagonal, RIGHT[end], WRONG[end]) for end in (0, 1))
    shades: NDArray[np.uint8] = np.rint(pale + (deep - pale) * strength).astype(np.uint8)
    return shades


def _write_axes(axes: Any, classes: Sequence[str], sizes: _Sizes) -> None:
    """Write the names of the classes and the titles of the axes above and left of the matrix."""
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    pad = points(sizes.text // 2)
    set_font(axes.set_xlabel("taken for", loc="left", labelpad=2 * pad), sizes.text, ACCENT)
    set_font(axes.set_ylabel("true class", loc="top", labelpad=2 * pad), sizes.text, ACCENT)
    names = [shortened(name, sizes.text, _LONGEST * sizes.text) for name in classes]
    ticks = range(len(names)) if sizes.named else []
    axes.set_xticks(ticks, names if sizes.named else [], rotation=90)
    axes.set_yticks(ticks, names if sizes.named else [])
    axes.tick_params(length=0, pad=pad)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        set_font(label, sizes.text, INK)


def _write_recalls(axes: Any, counts: NDArray[np.int64], sizes: _Sizes) -> None:
    """Write the recall and the number of pictures of each class to the right of its row."""

    def write(x: int, row: float, text: str, colour: str) -> None:
        """Write text `x` pixels to the right of the matrix, at the height of a row."""
        edge = (len(counts) - 0.5, row)
        offset = (points(x), 0)
        note = axes.annotate(text, edge, xytext=offset, textcoords="offset points")
        note.set_verticalalignment("center_baseline")
        note.set_annotation_clip(False)  # The heading lies above the axes and would be cut off.
        set_font(note, sizes.text, colour)

    left = sizes.text // 2
    write(left, -0.5 - 1.2 * sizes.text / sizes.cell, "recall", ACCENT)
    for row, total in enumerate(counts.sum(axis=1).tolist()):
        recall = f"{100 * counts[row, row] / total:.0f} %" if total else "–"
        write(left, row, recall, INK)
        write(left + length("100 %   ", sizes.text), row, f"of {total:,}", MUTED)


def _fitting(value: int, cell: int) -> tuple[int, str]:
    """Return the text size in pixels and the spelling with which a count fits into its cell."""
    for size in range(min(16, cell * 2 // 5), 8, -1):
        if length(str(value), size) <= cell - 4:
            return size, str(value)
    return 9, f"{value / 1000:.0f}k"
