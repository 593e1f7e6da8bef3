"""From results to a page: a table of means and deviations, what holds, and a picture."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clr_search.files.write import atomic_path, write_atomically
from clr_search.train.settings.config import TrainConfig
from clr_search.train.study.cells import Pictures, Result
from clr_search.train.study.design import SINGLE, Claim, Experiment, pair_name

_INK, _BLUE, _GREY = "#22272e", "#2f6fb5", "#8b949e"

Values = dict[str, dict[str, list[float]]]
"""By cell and measure, one for each seed."""


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
        What was compared.
    results : sequence of Result
        One for each cell and seed.
    base : TrainConfig
        The settings that cells change.
    pictures : Pictures
        Trained and tested on.
    command : str
        What makes the page again.
    out : Path
        Folder.

    Returns
    -------
    Path
        The page.
    """
    values = gathered(results)
    with atomic_path(out / f"{experiment.name}.png") as temporary:
        draw(experiment, values, temporary)
    page = out / f"{experiment.name}.md"
    write_atomically(page, markdown(experiment, results, base, pictures, command))
    return page


def gathered(results: Sequence[Result]) -> Values:
    """Measures by cell."""
    values: Values = {}
    for result in results:
        cell = values.setdefault(result.cell, {})
        for name, value in result.measures.items():
            cell.setdefault(name, []).append(value)
    return values


def by_seed(claim: Claim, results: Sequence[Result]) -> list[float]:
    """By how many points each seed speaks for a claim."""
    found: dict[int, dict[str, dict[str, float]]] = {}
    for result in results:
        found.setdefault(result.seed, {})[result.cell] = result.measures
    return [claim.points(measures) for measures in found.values()]


def verdict(points: Sequence[float]) -> str:
    """``holds: +1.3 ± 0.4 points``; open where the seeds disagree."""
    said = "holds" if min(points) > 0 else "does not hold" if max(points) <= 0 else "open"
    spread = f" ± {statistics.stdev(points):.1f}" if len(points) > 1 else ""
    return f"{said}: {statistics.fmean(points):+.1f}{spread} points"


def spelt(numbers: Sequence[float]) -> str:
    """Mean and standard deviation: ``61.3 ± 0.4``; of one number, it alone."""
    text = f"{statistics.fmean(numbers):.1f}"
    return f"{text} ± {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else text


def markdown(
    experiment: Experiment,
    results: Sequence[Result],
    base: TrainConfig,
    pictures: Pictures,
    command: str,
) -> str:
    """The page."""
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
        row = [cell.name, *(spelt(values[cell.name][name]) for name in experiment.measures)]
        lines.append(f"| {' | '.join([*row, *([cell.paper] if paper else [])])} |")
    return lines


def draw(experiment: Experiment, values: Values, path: Path) -> None:
    """Draw the first measure as a PNG: a heat map of pairs, or points with their deviations."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    pairs = experiment.name == "augmentation"
    height = 4.6 if pairs else 1.2 + 0.32 * len(experiment.cells)
    figure = Figure(figsize=(6.4, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    measure = experiment.measures[0]
    found = {cell: measures[measure] for cell, measures in values.items()}
    if pairs:
        _heat_map(axes, found)
    else:
        _points(axes, [cell.name for cell in experiment.cells], found)
        axes.set_xlabel(f"{measure}, %", color=_GREY)
    axes.set_title(experiment.title, loc="left", fontsize=11, color=_INK, fontweight="bold")
    figure.savefig(path, format="png", dpi=120)


def _heat_map(axes: Any, found: dict[str, list[float]]) -> None:
    names = list(SINGLE)
    grid = [[statistics.fmean(found[pair_name(row, column)]) for column in names] for row in names]
    axes.imshow(grid, cmap="Blues")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    middle = (min(map(min, grid)) + max(map(max, grid))) / 2
    for row, numbers in enumerate(grid):
        for column, number in enumerate(numbers):
            colour = "white" if number > middle else _INK
            axes.text(column, row, f"{number:.1f}", ha="center", va="center", color=colour)


def _points(axes: Any, names: list[str], found: dict[str, list[float]]) -> None:
    middles = [statistics.fmean(found[name]) for name in names]
    errors = [statistics.stdev(found[n]) if len(found[n]) > 1 else 0.0 for n in names]
    axes.errorbar(middles, range(len(names)), xerr=errors, fmt="o", color=_BLUE, ecolor=_GREY)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
