"""Learning curves: accuracy by number of labels, with its spread over draws."""

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
"""Colours and markers of the lines, in their order: blue and vermilion, which people who do not
tell red from green tell apart."""

_WIDTH, _HEIGHT = 840, 420  # pixels of the plot
_TEXT, _TITLE = 15, 18
_APART = 20  # pixels between two lines of text at the right


@dataclass(frozen=True, slots=True)
class Line:
    """A measure: its name, means and deviations in [0, 1], one a step."""

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
    """Draw accuracies over a logarithmic axis of labels.

    Parameters
    ----------
    ticks : sequence of str
        What stands below each step.
    counts : sequence of float
        Where it stands: labels, positive and rising.
    lines : sequence of Line
        At most as many as there are `STYLES`.
    levels : mapping of str to float
        Values by their names, such as chance, which are drawn as level lines, in [0, 1].
    title : str
        A line above it.

    Returns
    -------
    PIL image
        RGB. Bands are one deviation to both sides.

    Raises
    ------
    MissingExtraError
        If matplotlib, of the extra ``plots``, is not installed.
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
    """Where the axis ends: at a whole tenth, a little above everything, and at most at 1."""
    tops = [m + d for line in lines for m, d in zip(line.means, line.deviations, strict=True)]
    return min(1.0, math.ceil(10 * max([*tops, *levels.values()]) + 0.2) / 10)


def _set_axes(axes: Any, ticks: Sequence[str], counts: Sequence[float], top: float) -> None:
    stretch = math.log(counts[-1] / counts[0]) or 1.0
    margin = 0.03 * stretch / 0.94
    axes.set_xscale("log")
    axes.set_xlim(counts[0] / math.exp(margin), counts[0] * math.exp(stretch + margin))
    axes.set_ylim(0, 100 * top)
    shares = [math.log(count / counts[0]) / stretch for count in counts]
    shown = _apart(ticks, shares)
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


def _apart(ticks: Sequence[str], shares: Sequence[float]) -> list[int]:
    """Numbers of the ticks to write: those that would lie on an earlier one are left out."""
    kept, end = [], -math.inf
    for number, (tick, share) in enumerate(zip(ticks, shares, strict=True)):
        middle, half = 0.94 * share * _WIDTH, length(tick, 13) / 2
        if middle - half > end + 6:
            kept.append(number)
            end = middle + half
    return kept


def _write_names(axes: Any, lines: Sequence[Line], levels: Mapping[str, float], top: float) -> None:
    """Write names and last values at the right ends, apart from one another."""
    named = [
        (line.means[-1], f"{line.name}  {100 * line.means[-1]:.1f} %", colour)
        for line, (colour, _) in zip(lines, STYLES, strict=False)
    ]
    named += [(level, f"{name}  {100 * level:.1f} %", MUTED) for name, level in levels.items()]
    last = math.inf
    for level, text, colour in sorted(named, reverse=True):
        last = min(last - _APART / _HEIGHT, level / top)
        place = (1 + 8 / _WIDTH, last)
        written = axes.annotate(text, place, xycoords="axes fraction", va="center_baseline")
        set_font(written, _TEXT, colour)
