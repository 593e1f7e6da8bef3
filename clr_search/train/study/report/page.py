"""The page of an experiment: its findings over the lengths, a plot, and a table for each length."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from clr_search.files.write import write_atomically
from clr_search.train.study.experiment import Claim, Experiment
from clr_search.train.study.report.drawing import draw
from clr_search.train.study.report.effects import Results, effects, epochs, sentence
from clr_search.train.study.scope import Scope

RULE = (
    "An effect is the difference of two trainings of the same seed, in points; its mean over the "
    "seeds is followed by the 95 % interval of the mean by Student's t, or with two seeds by the "
    "range. A finding holds at a length where the whole interval lies above 0, and the mean above "
    "the standard error of an accuracy that is measured on so many pictures (half a point on "
    "10,000). It begins to hold at the shortest length from which on it holds at every length that "
    "two seeds were trained at."
)
"""The rule of `effects`, for people."""


def write_page(experiment: Experiment, results: Results, scope: Scope, out: Path) -> Path:
    """Write ``<experiment>.md`` and ``<experiment>.png`` into `out`.

    Parameters
    ----------
    experiment : Experiment
        The experiment.
    results : Results
        Its results, those that there are, at least one.
    scope : Scope
        What its trainings have in common.
    out : Path
        Folder to write to.

    Returns
    -------
    Path
        The path of the page.
    """
    draw(experiment, results, scope.tested, out / f"{experiment.name}.png")
    page = out / f"{experiment.name}.md"
    write_atomically(page, markdown(experiment, results, scope))
    return page


def markdown(experiment: Experiment, results: Results, scope: Scope) -> str:
    """The text of the page; parameters as in `write_page`."""
    lines = [
        f"# {experiment.title}",
        "",
        f"resnet18, width {scope.width:g}, {scope.image_size} px, batch {scope.batch_size}, "
        f"temperature 0.2 unless a row says otherwise; {scope.images:,} pictures to train on, "
        f"{scope.tested:,} to test on, {scope.classes} classes; {time_of(results)}. Accuracies are "
        "in per cent, mean ± standard deviation over the seeds. The paper's are linear top-1 on "
        "ImageNet with ResNet-50: the order can be compared, not the numbers.",
        "",
        f"    {scope.command.replace('EXPERIMENT', experiment.name)}",
        "",
        f"![{experiment.title}]({experiment.name}.png)",
        "",
        *findings(experiment.claims, results, scope.tested),
        "",
        RULE,
    ]
    for length in sorted(results):
        seeds = len(results[length])
        lines += ["", f"## {epochs(length)}, {seeds} seed{'s' if seeds > 1 else ''}", ""]
        lines += _table(experiment, results, length)
    return "\n".join(lines) + "\n"


def findings(claims: Sequence[Claim], results: Results, tested: int) -> list[str]:
    """The table of the findings: the effect at each length, and from where on each holds."""
    lengths = sorted(results)
    heads = ["finding of the paper", *(epochs(length) for length in lengths), "so it"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for claim in claims:
        found = effects(claim, results, tested)
        at = {effect.length: str(effect) for effect in found}
        shown = [at.get(length, "") for length in lengths]
        lines.append(f"| {' | '.join([claim.text, *shown, sentence(found)])} |")
    return lines


def time_of(results: Results) -> str:
    """How many trainings there are, and how long they took."""
    every = [row for seeds in results.values() for rows in seeds.values() for row in rows.values()]
    hours = sum(row.seconds for row in every) / 3600
    measured = [row.cpu_seconds for row in every if row.cpu_seconds is not None]
    text = f"{len(every)} trainings in {hours:.1f} hours"
    if len(measured) == len(every):
        text += f", {sum(measured) / 3600:.1f} hours of one core"
    return text


def mean_and_deviation(numbers: Sequence[float]) -> str:
    """Mean and standard deviation as text; a single number stands alone.

    Examples
    --------
    >>> mean_and_deviation([61.0, 62.0]), mean_and_deviation([61.0])
    ('61.5 ± 0.7', '61.0')
    """
    text = f"{statistics.fmean(numbers):.1f}"
    return f"{text} ± {statistics.stdev(numbers):.1f}" if len(numbers) > 1 else text


def _table(experiment: Experiment, results: Results, length: int) -> list[str]:
    """The measures of the cells at a length; of those that have a result."""
    paper = any(cell.paper for cell in experiment.cells)
    heads = ["", *experiment.measures, *(["paper"] if paper else [])]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for cell in experiment.cells:
        rows = [seeds[cell.name] for seeds in results[length].values() if cell.name in seeds]
        if rows:
            numbers = [
                mean_and_deviation([row.measures[name] for row in rows])
                for name in experiment.measures
            ]
            row = [cell.name, *numbers, *([cell.paper] if paper else [])]
            lines.append(f"| {' | '.join(row)} |")
    return lines
