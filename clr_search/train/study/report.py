"""The page of an experiment: a table of means and deviations, a plot, and which claims hold."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clr_search.files.write import atomic_path, write_atomically
from clr_search.train.settings.config import TrainConfig
from clr_search.train.study.cells import Result
from clr_search.train.study.design import SINGLE, pair_name
from clr_search.train.study.experiment import Claim, Experiment
from clr_search.train.study.pictures import Pictures

_INK, _BLUE, _GREY = "#22272e", "#2f6fb5", "#8b949e"

Values = dict[str, dict[str, list[float]]]
"""Values by cell and measure, one for each seed."""


def write_report(
    experiment: Experiment,
    results: Sequence[Result],
    base: TrainConfig,
    pictures: Pictures,
    command: str,
    out: Path,
) -> Path:
    """Write ``<experiment>.md`` and ``<experiment>.png`` into `out`.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    results : sequence of Result
        One result for each cell and seed.
    base : TrainConfig
        The settings from which the cells differ.
    pictures : Pictures
        The images that were trained on and tested on.
    command : str
        The command that makes the page again, which the page shows.
    out : Path
        Folder to write to.

    Returns
    -------
    Path
        The path of the page.
    """
    values = gathered(results)
    with atomic_path(out / f"{experiment.name}.png") as temporary:
        draw(experiment, values, temporary)
    page = out / f"{experiment.name}.md"
    text = markdown(experiment, results, base, pictures, command)
    # A path in the command need be no text; the page is, with such bytes as escapes.
    write_atomically(page, text.encode("utf-8", "backslashreplace"))
    return page


def gathered(results: Sequence[Result]) -> Values:
    """Group the measures of all seeds by cell and by name."""
    values: Values = {}
    for result in results:
        cell = values.setdefault(result.cell, {})
        for name, value in result.measures.items():
            cell.setdefault(name, []).append(value)
    return values


def by_seed(claim: Claim, results: Sequence[Result]) -> list[float]:
    """The percentage points by which each seed supports a claim, in the order of the seeds."""
    seeds: dict[int, dict[str, dict[str, float]]] = {}
    for result in results:
        seeds.setdefault(result.seed, {})[result.cell] = result.measures
    return [claim.points(measures) for measures in seeds.values()]


def verdict(points: Sequence[float]) -> str:
    """Whether a claim holds, with the mean and the standard deviation of its points.

    Examples
    --------
    >>> verdict([1.0, 2.0]), verdict([-1.0, 2.0])  # the seeds disagree on the second
    ('holds: +1.5 ± 0.7 points', 'open: +0.5 ± 2.1 points')
    """
    answer = "holds" if min(points) > 0 else "does not hold" if max(points) <= 0 else "open"
    spread = f" ± {statistics.stdev(points):.1f}" if len(points) > 1 else ""
    return f"{answer}: {statistics.fmean(points):+.1f}{spread} points"


def mean_and_deviation(numbers: Sequence[float]) -> str:
    """Mean and standard deviation as text; a single number stands alone.

    Examples
    --------
    >>> mean_and_deviation([61.0, 62.0]), mean_and_deviation([61.0])
    ('61.5 ± 0.7', '61.0')
    """
    text = f"{statistics.fmean(numbers):.1f}"
    return f"{text} ± {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else text


def markdown(
    experiment: Experiment,
    results: Sequence[Result],
    base: TrainConfig,
    pictures: Pictures,
    command: str,
) -> str:
    """The text of the page; parameters as in `write_report`."""
    values = gathered(results)
    seeds = len({result.seed for result in results})
    minutes = sum(result.seconds for result in results) / 60
    lines = [
        f"# {experiment.title}",
        "",
        f"{base.architecture}, width {base.width:g}, {base.image_size} px, batch "
        f"{base.batch_size}, temperature {base.temperature:g}, {base.epochs} epochs unless a row "
        f"says otherwise; {len(pictures.train):,} pictures to train on, {len(pictures.test):,} to "
        f"test on, {len(pictures.train.classes)} classes, {seeds} seeds, {minutes:.0f} minutes. "
        "Accuracies are in per cent, mean ± standard deviation over the seeds. The paper's are "
        "linear top-1 on ImageNet with ResNet-50: the order can be compared, not the numbers.",
        "",
        f"    {command}",
        "",
        f"![{experiment.title}]({experiment.name}.png)",
        "",
        *_table(experiment, values),
        "",
        "| finding of the paper | here |",
        "|---|---|",
    ]
    lines += [f"| {c.text} | {verdict(by_seed(c, results))} |" for c in experiment.claims]
    return "\n".join(lines) + "\n"


def _table(experiment: Experiment, values: Values) -> list[str]:
    paper = any(cell.paper for cell in experiment.cells)
    heads = ["", *experiment.measures, *(["paper"] if paper else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for cell in experiment.cells:
        row = [
            cell.name,
            *(mean_and_deviation(values[cell.name][name]) for name in experiment.measures),
        ]
        lines.append(f"| {' | '.join([*row, *([cell.paper] if paper else [])])} |")
    return lines


def draw(experiment: Experiment, values: Values, path: Path) -> None:
    """Draw the first measure of an experiment as a PNG file.

    Pairs of augmentations are a heat map, other cells are points with their standard deviations.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pairs = experiment.name == "augmentation"
    height = 4.6 if pairs else 1.2 + 0.32 * len(experiment.cells)
    figure = Figure(figsize=(6.4, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    measure = experiment.measures[0]
    by_cell = {cell: measures[measure] for cell, measures in values.items()}
    if pairs:
        _heat_map(axes, by_cell)
    else:
        _points(axes, [cell.name for cell in experiment.cells], by_cell)
        axes.set_xlabel(f"{measure}, %", color=_GREY)
    axes.set_title(experiment.title, loc="left", fontsize=11, color=_INK, fontweight="bold")
    figure.savefig(path, format="png", dpi=120)


def _heat_map(axes: Any, by_cell: dict[str, list[float]]) -> None:
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


def _points(axes: Any, names: list[str], by_cell: dict[str, list[float]]) -> None:
    means = [statistics.fmean(by_cell[name]) for name in names]
    errors = [statistics.stdev(by_cell[n]) if len(by_cell[n]) > 1 else 0.0 for n in names]
    axes.errorbar(means, range(len(names)), xerr=errors, fmt="o", color=_BLUE, ecolor=_GREY)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
