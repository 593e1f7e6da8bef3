"""The pictures of a study: accuracy and effects over the length of the training."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clr_search.files.write import atomic_path
from clr_search.train.study.design.augmentations import SINGLE, pair_name
from clr_search.train.study.experiment import Claim, Experiment
from clr_search.train.study.report.effects import Effect, Results, effects

_INK, _GREY, _PALE = "#22272e", "#8b949e", "#e6e8eb"
_COLOURS = ("#2f6fb5", "#c2571a", "#3a7d44", "#7a4fa3", "#b08900", "#a33b5b", "#4a6572")
_MOST = len(_COLOURS)  # lines that can be told apart

ByCell = Mapping[str, Sequence[float]]
"""Values of a measure by cell, one for each seed."""


def draw(experiment: Experiment, results: Results, tested: int, path: Path) -> None:
    """Draw an experiment as a PNG file.

    With several lengths: on the left the first measure of its cells over the length, those of the
    four insights where there are many; on the right the effects of the findings that have any. With
    one length: the cells, as points with their ranges or, for pairs of augmentations, as a map.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    over = len(results) > 1
    pairs = not over and _grid_is_whole(experiment, results)
    shown = max(len(experiment.claims), min(_MOST, len(experiment.cells)))
    height = 3.2 + 0.2 * shown if over else 4.6 if pairs else 1.2 + 0.32 * len(experiment.cells)
    figure = Figure(figsize=(10 if over else 6.4, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    if over:
        left, right = figure.subplots(1, 2)
        _accuracies(left, experiment, results)
        _effects(right, experiment.claims, results, tested)
        figure.suptitle(experiment.title, x=0.01, ha="left", color=_INK, fontweight="bold")
    else:
        axes = figure.subplots()
        (by_cell,) = (_values(results[length], experiment.measures[0]) for length in results)
        if pairs:
            _heat_map(axes, by_cell)
        else:
            _points(axes, [c.name for c in experiment.cells if c.name in by_cell], by_cell)
            axes.set_xlabel(f"{experiment.measures[0]}, %", color=_GREY)
        axes.set_title(experiment.title, loc="left", fontsize=11, color=_INK, fontweight="bold")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def _values(by_seed: Mapping[int, Mapping[str, Any]], measure: str) -> dict[str, list[float]]:
    """A measure by cell, one value for each seed that has it."""
    values: dict[str, list[float]] = {}
    for rows in by_seed.values():
        for name, result in rows.items():
            values.setdefault(name, []).append(result.measures[measure])
    return values


def _grid_is_whole(experiment: Experiment, results: Results) -> bool:
    cells = {pair_name(row, column) for row in SINGLE for column in SINGLE}
    return experiment.name == "augmentation" and all(
        cells <= rows.keys() for seeds in results.values() for rows in seeds.values()
    )


def _accuracies(axes: Any, experiment: Experiment, results: Results) -> None:
    """A line for each cell, at most `_MOST`, with the range of its seeds."""
    measure = experiment.measures[0]
    trained = {name for seeds in results.values() for rows in seeds.values() for name in rows}
    cells = [cell for cell in experiment.cells if cell.name in trained]
    if len(cells) > _MOST and any(cell.core for cell in cells):
        cells = [cell for cell in cells if cell.core]
    by_length = {length: _values(results[length], measure) for length in sorted(results)}
    for colour, cell in zip(_COLOURS, cells, strict=False):
        at = [(length, rows[cell.name]) for length, rows in by_length.items() if cell.name in rows]
        _line(axes, at, colour, cell.name)
    _axis_of_lengths(axes, sorted(results))
    axes.set_ylabel(f"{measure}, %", color=_GREY)
    _legend(axes)


def _effects(axes: Any, claims: Sequence[Claim], results: Results, tested: int) -> None:
    """A line for each finding that has an effect, with its interval, and the line of no effect."""
    found = [(claim, effects(claim, results, tested)) for claim in claims]
    axes.axhline(0, color=_INK, linewidth=1)
    for colour, (claim, line) in zip(_COLOURS, ((c, e) for c, e in found if e), strict=False):
        _band(axes, line, colour, claim.text.removesuffix("."))
    _axis_of_lengths(axes, sorted(results))
    axes.set_ylabel("effect, points", color=_GREY)
    _legend(axes)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(-0.02, -0.16))


def _line(axes: Any, at: Sequence[tuple[int, list[float]]], colour: str, name: str) -> None:
    lengths, means = [a for a, _ in at], [statistics.fmean(values) for _, values in at]
    axes.plot(lengths, means, "o-", color=colour, label=name, markersize=4)
    axes.fill_between(
        lengths,
        [min(values) for _, values in at],
        [max(values) for _, values in at],
        color=colour,
        alpha=0.12,
        linewidth=0,
    )


def _band(axes: Any, line: Sequence[Effect], colour: str, name: str) -> None:
    lengths = [effect.length for effect in line]
    axes.plot(lengths, [effect.mean for effect in line], "-", color=colour, label=name)
    low, high = zip(*(effect.interval for effect in line), strict=True)
    axes.fill_between(lengths, low, high, color=colour, alpha=0.12, linewidth=0)
    for effect in line:
        filled = colour if effect.judged else "white"
        axes.plot(effect.length, effect.mean, "o", color=colour, markerfacecolor=filled)


def _axis_of_lengths(axes: Any, lengths: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(lengths, [f"{length}" for length in lengths])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("epochs", color=_GREY)
    axes.grid(color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _heat_map(axes: Any, by_cell: ByCell) -> None:
    names = list(SINGLE)
    grid = [
        [statistics.fmean(by_cell[pair_name(row, column)]) for column in names] for row in names
    ]
    axes.imshow(grid, cmap="Blues")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    middle = (min(map(min, grid)) + max(map(max, grid))) / 2
    for row, numbers in enumerate(grid):
        for column, number in enumerate(numbers):
            colour = "white" if number > middle else _INK
            axes.text(column, row, f"{number:.1f}", ha="center", va="center", color=colour)


def _points(axes: Any, names: Sequence[str], by_cell: ByCell) -> None:
    for row, name in enumerate(names):
        values = by_cell[name]
        axes.plot([min(values), max(values)], [row, row], color=_GREY)
        axes.plot(statistics.fmean(values), row, "o", color=_COLOURS[0])
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
