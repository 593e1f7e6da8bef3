"""The report on the paper's four insights, from the results that lie in its folder.

    python -m bench.study_page docs/study

writes `README.md`, and the pages and pictures of the experiments, in a few seconds and without the
images. The results are of `clr-search study insights`, with the options that the report shows: it
trains what has no result yet, on any machine, and may be stopped and given again. Give the command
above again when more results have come.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clr_search.files.write import write_atomically
from clr_search.train.study import design
from clr_search.train.study.experiment import Claim, Experiment
from clr_search.train.study.report.effects import (
    Effect,
    Results,
    effects,
    epochs,
    gathered,
    sentence,
)
from clr_search.train.study.report.page import RULE, findings, write_page
from clr_search.train.study.scope import SCOPE, Scope
from clr_search.train.study.store import Result, Store, Training


@dataclass(frozen=True)
class Insight:
    """One of the four insights: what it says, and where it is tested.

    Attributes
    ----------
    title : str
        What the paper says, as a heading.
    about : str
        The argument, for a newcomer.
    experiment : str
        The experiment whose picture stands beside it.
    sentences : tuple of str
        Beginnings of the findings that are told in a sentence each.
    """

    title: str
    about: str
    experiment: str
    sentences: tuple[str, ...]


INSIGHTS = (
    Insight(
        "1. Crop and colour belong together",
        "Two crops of one photo have like colours, so a network can find the partner of a view by "
        "its colour histogram and learn nothing of what is on it. Colour jitter takes that "
        "shortcut away. The task becomes harder, and what is learned becomes better.",
        "augmentation",
        ("Crop + colour beats crop", "Crop + colour beats colour"),
    ),
    Insight(
        "2. A head to throw away",
        "The loss is computed on z = g(h), not on h. z is rewarded for being the same for all "
        "views of a picture, so it loses colour and orientation. With a small network g in "
        "between, h need not lose them, and h is what is kept.",
        "head",
        (
            "A non-linear head beats none",
            "h is better than z",
            "z has lost what h knows of rotation",
            "z has lost what h knows of grey",
            "z has lost what h knows of blur",
        ),
    ),
    Insight(
        "3. Cosines, and a temperature",
        "Similarities are cosines, divided by a temperature τ that says how much the most similar "
        "negatives count. Without unit length, partners are found more easily, and less is "
        "learned.",
        "temperature",
        ("τ 0.2 beats both ends", "Cosines beat dot products", "Dot products find more"),
    ),
    Insight(
        "4. Larger batches, longer training",
        "A larger batch has more negatives in each step. In the paper that helps most where "
        "training is short, and longer training makes up for it.",
        "batch",
        ("A batch of 1,024 beats", "Longer training helps"),
    ),
)

ALSO = ("colour", "size")
"""Experiments with findings on stronger colours, and on larger networks, beside supervised
training."""


@dataclass(frozen=True)
class Study:
    """All that the report is made of.

    Attributes
    ----------
    scope : Scope
        What its trainings have in common.
    experiments : mapping
        Experiments by name, with the cells of the four insights only.
    results : mapping
        Their results by name.
    missing : list of (Training, int)
        Trainings of them that have no result.
    """

    scope: Scope
    experiments: Mapping[str, Experiment]
    results: Mapping[str, Results]
    missing: list[Training]

    def says(self, name: str) -> bool:
        """Whether there are results enough of an experiment for an effect."""
        claims, tested = self.experiments[name].claims, self.scope.tested
        return any(effects(claim, self.results[name], tested) for claim in claims)


def loaded(folder: Path) -> Study:
    """The study in a folder.

    Raises
    ------
    UsageError
        If its `study.json` is none.
    """
    path = folder / SCOPE
    scope = Scope.from_json(path.read_text("utf-8"), str(path))
    store = Store(folder)
    experiments = {one.name: one for one in design.chosen(("insights",), scope.base("cpu"))}
    results = {name: gathered(one, scope, store) for name, one in experiments.items()}
    every = scope.trainings(experiments.values())
    missing = [one for one in every if store.result(one) is None]
    return Study(scope, experiments, results, missing)


def report(study: Study) -> str:
    """The text of the report."""
    scope = study.scope
    lengths = ", ".join(f"{length:,}" for length in scope.lengths)
    lines = [
        "# The paper's four insights, and from where on they hold",
        "",
        "The SimCLR paper rests on four observations, made with a ResNet-50 and ImageNet on 128 "
        "TPU cores. Here they are tested on a machine that anyone has, not at one scale but at "
        f"growing lengths of training ({lengths} epochs of {scope.images:,} pictures of CIFAR-10), "
        "so that each picture shows **from where on** an insight holds, which the paper does not "
        f"show. The network is a ResNet-18 of width {scope.width:g}; each training is measured by "
        f"a linear classifier on {scope.tested:,} test pictures, and is compared with its partner "
        f"of the same seed, {scope.seeds} seeds in all.",
        "",
    ]
    for insight in INSIGHTS:
        lines += _section(insight, study)
    lines += ["## All findings", ""]
    for name in (*(insight.experiment for insight in INSIGHTS), *ALSO):
        experiment = study.experiments[name]
        lines += [f"### {experiment.title}", ""]
        if study.says(name):
            lines += [*findings(experiment.claims, study.results[name], scope.tested), ""]
            lines += [f"Every number: [{name}]({name}.md).", ""]
        else:
            lines += ["Too little of it has been trained yet for any finding.", ""]
    lines += ["### How a finding is judged", "", RULE, "", _CAUTION, ""]
    lines += [*_failing(study), *_cost(study), *_missing(study), _EARLIER]
    return "\n".join(lines) + "\n"


def _section(insight: Insight, study: Study) -> list[str]:
    experiment, results = study.experiments[insight.experiment], study.results[insight.experiment]
    lines = [f"## {insight.title}", "", insight.about, ""]
    if study.says(experiment.name):
        lines += [f"![{experiment.title}]({experiment.name}.png)", ""]
    for claim in experiment.claims:
        if claim.text.startswith(insight.sentences):
            lines.append(f"- {_told(claim, results, study.scope.tested)}")
    return [*lines, ""]


def _told(claim: Claim, results: Results, tested: int) -> str:
    """A finding with its verdict, and its effect at the longest length."""
    found = effects(claim, results, tested)
    told = f"*{claim.text}* It **{sentence(found)}**"
    return told + (f"; {_shown(found[-1])}." if found else ".")


def _shown(effect: Effect) -> str:
    """An effect in a sentence."""
    low, high = effect.interval
    seeds = f"{low:+.1f} to {high:+.1f}" if effect.judged else "one seed"
    return f"{effect.mean:+.1f} points at {epochs(effect.length)} ({seeds})"


def _failing(study: Study) -> list[str]:
    """The findings that do not hold at the longest length that was trained at."""
    lines = []
    for name, experiment in study.experiments.items():
        for claim in experiment.claims:
            found = effects(claim, study.results[name], study.scope.tested)
            said = sentence(found)
            if said.startswith(("does not", "is open")):
                lines.append(f"- {claim.text} It {said}; {_shown(found[-1])}.")
    if not lines:
        return ["## What does not hold", "", "Of what has been trained, everything holds.", ""]
    return ["## What does not hold, and why", "", *lines, "", _WHY, ""]


def _cost(study: Study) -> list[str]:
    """What the report has cost, and the command."""
    rows: dict[str, tuple[int, Result]] = {}
    for name, experiment in study.experiments.items():
        cells = {cell.name: cell for cell in experiment.cells}
        for length, seeds in study.results[name].items():
            for seed, found in seeds.items():
                for cell, result in found.items():
                    one = study.scope.training(cells[cell], length, seed)
                    rows[one.name] = (length, result)
    every = [row for _, row in rows.values()]
    seconds = sum(row.seconds for row in every)
    known = [row.cpu_seconds for row in every if row.cpu_seconds is not None]
    cpu = statistics.fmean(known) * len(every)
    times = []
    for length in study.scope.lengths:
        here = [row.cpu_seconds for of, row in rows.values() if of == length and row.cpu_seconds]
        if here:
            times.append(f"{statistics.fmean(here) / 60:.1f} minutes for {epochs(length)}")
    command = study.scope.command.replace("EXPERIMENT", "insights")
    return [
        "## What it costs to repeat",
        "",
        f"The {len(every)} trainings so far took {cpu / 3600:.1f} hours of one processor core "
        f"({seconds / 3600:.1f} hours by the clock, beside other work; "
        f"{', '.join(sorted({row.machine for row in every}))}): {', '.join(times)}. Two cores need "
        "half of the time with `--jobs 2`; `--plan` tells what your machine would need. Trainings "
        "that are done are kept in [cells](cells), and with the same files of pictures (here JPEG "
        "copies of CIFAR-10) they are not done again:",
        "",
        f"    {command}",
        "    python -m bench.study_page docs/study",
        "",
    ]


def _missing(study: Study) -> list[str]:
    """How many seeds each cell has been trained with, at each length; of those that lack some."""
    lines = ["## What is missing", ""]
    if not study.missing:
        return [*lines, "Nothing: every cell has been trained at every length.", ""]
    lengths, seeds = study.scope.lengths, study.scope.seeds
    lines += [
        f"{len(study.missing)} trainings. The command above does them, and leaves out what is "
        f"done. Seeds trained, of {seeds}:",
        "",
        f"| cell | {' | '.join(epochs(length) for length in lengths)} |",
        "|---|" + "---|" * len(lengths),
    ]
    for name, experiment in study.experiments.items():
        for cell in experiment.cells:
            by_length = [study.results[name].get(length, {}) for length in lengths]
            counts = [sum(cell.name in rows for rows in of.values()) for of in by_length]
            if min(counts) < seeds:
                lines.append(f"| {name}: {cell.name} | {' | '.join(map(str, counts))} |")
    return [*lines, ""]


_CAUTION = (
    "With two seeds that is a weak test: where there is no effect, two seeds agree in half of all "
    "cases by chance. Differences below a point should not be built upon."
)

_WHY = (
    "What fails has one thing in common: it is about what the network learns to *ignore*. Until a "
    "small network has solved the contrastive task so far that it would use shortcuts, or throw "
    "information away, taking the shortcut away only takes information away, and z is as good as "
    "h. Larger batches have fewer steps in as many epochs: at batch 1,024, an epoch of 5,000 "
    "pictures has four."
)

_EARLIER = (
    "## Earlier reports\n\n"
    "[Seven experiments at one length, 10 epochs](ten-epochs/README.md), each with all its rows: "
    "all pairs of augmentations, head dimensions, losses, methods. What is not tested above "
    "(NT-Xent is the best loss, SimCLR beats InstDisc and the untrained network, supervised "
    "training is still ahead) was found there to hold. It also has a single seed at 60 "
    "epochs: crop + colour was then 4.4 points ahead of crop alone, and h 0.9 to 1.6 ahead of z. "
    "The experiments can be had at any lengths: "
    "`clr-search study loss method --lengths 5,20,60`."
)


def main() -> None:
    """Write the report and the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the study")
    folder: Path = parser.parse_args().folder
    study = loaded(folder)
    for name, experiment in study.experiments.items():
        if study.says(name):
            print(write_page(experiment, study.results[name], study.scope, folder))
    write_atomically(folder / "README.md", report(study))
    print(folder / "README.md")


if __name__ == "__main__":
    main()
