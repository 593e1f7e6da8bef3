"""A learning curve shows accuracy by number of labels, and its spread over random samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from clr_search.pictures.figure import as_picture, blank_figure, points, set_font
from clr_search.pictures.lettering import ACCENT, BAD, INK, MUTED, RULE, length

STYLES = ((ACCENT, "o"), (BAD, "s"))
"""Colours and markers of the lines, in their order. The colours are blue and vermilion, which
people who cannot tell red from green can tell apart."""

_WIDTH, _HEIGHT = 840, 420
"""Size in pixels of the area that the axes enclose."""

_TEXT, _TITLE = 15, 18
"""Heights in pixels of the names of the lines, and of the title."""

_LINE_SPACING = 20
"""Least distance in pixels between two of the names at the right, so that none covers another."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a learning curve: one measure at all numbers of labels.

    Attributes
    ----------
    name : str
        Name of the measure, written at the right end of the line.
    means, deviations : sequence of float
        Mean and standard deviation of the measure at each number of labels, in [0, 1].
    """

    name: str
    means: Sequence[float]
    deviations: Sequence[float]


def learning_curve(
    ticks: Sequence[str],
    counts: Sequence[float],
    lines: Sequence[Line],
    levels: Mapping[str, float],
    title: str,
) -> Image.Image:
    """Draw accuracies by the number of labels, on a logarithmic axis.

    Parameters
    ----------
    ticks : sequence of str
        Text below the axis for each number of labels.
    counts : sequence of float
        Numbers of labels, positive and rising.
    lines : sequence of Line
        Measures to draw; there are styles for as many as `STYLES` has, and no more are drawn.
    levels : mapping of str to float
        Values in [0, 1] by their names, such as chance, drawn as dashed level lines.
    title : str
        Line of text above the plot.

    Returns
    -------
    PIL image
        RGB. The band around a line reaches one standard deviation to both sides.

    Raises
    ------
    MissingExtraError
        If matplotlib, which the extra ``plots`` brings, is not installed.

    Examples
    --------
    >>> line = Line("kNN", means=[0.5, 0.8], deviations=[0.1, 0.02])
    >>> learning_curve(["1", "10"], [1, 10], [line], {"chance": 0.1}, title="Flowers").mode
    'RGB'
    """
    figure, axes = blank_figure(_WIDTH, _HEIGHT)
    top = _top(lines, levels)
    _set_axes(axes, ticks, counts, top)
    for level in levels.values():
        axes.axhline(100 * level, color=MUTED, linewidth=points(2), linestyle=(0, (4, 4)))
    for line, (colour, marker) in zip(lines, STYLES, strict=False):
        means, deviations = 100 * np.array(line.means), 100 * np.array(line.deviations)
        axes.fill_between(
            counts, means - deviations, means + deviations, color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(
            counts,
            means,
            color=colour,
            linewidth=points(2.5),
            marker=marker,
            markersize=points(9),
            markeredgecolor="white",
            clip_on=False,
        )
    _write_names(axes, lines, levels, top)
    set_font(axes.set_title(title, loc="left", pad=points(2 * _TEXT)), _TITLE, INK)
    return as_picture(figure)


def _top(lines: Sequence[Line], levels: Mapping[str, float]) -> float:
    """Return the end of the vertical axis: a whole tenth above all that is drawn, and at most 1."""
    tops = [m + d for line in lines for m, d in zip(line.means, line.deviations, strict=True)]
    return min(1.0, math.ceil(10 * max([*tops, *levels.values()]) + 0.2) / 10)


def _set_axes(axes: Any, ticks: Sequence[str], counts: Sequence[float], top: float) -> None:
    """Scale both axes, write their ticks and units, and draw the level grid lines."""
    stretch = math.log(counts[-1] / counts[0]) or 1.0
    margin = 0.03 * stretch / 0.94
    axes.set_xscale("log")
    axes.set_xlim(counts[0] / math.exp(margin), counts[0] * math.exp(stretch + margin))
    axes.set_ylim(0, 100 * top)
    shares = [math.log(count / counts[0]) / stretch for count in counts]
    shown = _readable_ticks(ticks, shares)
    axes.set_xticks([counts[n] for n in shown], [ticks[n] for n in shown])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(0, round(100 * top) + 1, 10))
    axes.grid(axis="y", color=RULE, linewidth=points(1))
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=points(8))
    set_font(axes.set_xlabel("labels a class", labelpad=points(8)), 13, MUTED)
    unit = axes.text(0, 1 + 8 / _HEIGHT, "accuracy, %", transform=axes.transAxes)
    set_font(unit, 13, MUTED)
    for label in axes.get_xticklabels():
        set_font(label, 13, INK)
    for label in axes.get_yticklabels():
        set_font(label, 13, MUTED)


def _readable_ticks(ticks: Sequence[str], shares: Sequence[float]) -> list[int]:
    """Return the numbers of the ticks to write, without those that would cover an earlier one."""
    numbers, end = [], -math.inf
    for number, (tick, share) in enumerate(zip(ticks, shares, strict=True)):
        middle, half = 0.94 * share * _WIDTH, length(tick, 13) / 2
        if middle - half > end + 6:
            numbers.append(number)
            end = middle + half
    return numbers


def _write_names(axes: Any, lines: Sequence[Line], levels: Mapping[str, float], top: float) -> None:
    """Write the name and the last value of each line at its right end, none over another."""
    named = [
        (line.means[-1], f"{line.name}  {100 * line.means[-1]:.1f} %", colour)
        for line, (colour, _) in zip(lines, STYLES, strict=False)
    ]
    named += [(level, f"{name}  {100 * level:.1f} %", MUTED) for name, level in levels.items()]
    last = math.inf
    for level, text, colour in sorted(named, reverse=True):
        last = min(last - _LINE_SPACING / _HEIGHT, level / top)
        position = (1 + 8 / _WIDTH, last)
        note = axes.annotate(text, position, xycoords="axes fraction", va="center_baseline")
        set_font(note, _TEXT, colour)
