"""``evaluate``: measure how well pictures of the same label find each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError

if TYPE_CHECKING:
    from clr_search.evaluate.learning_curve import Curve, Step
    from clr_search.evaluate.retrieval import Retrieval
    from clr_search.serve.probe import FittedProbe


@options.command("evaluate")
@options.collection_argument()
@click.option(
    "--curve",
    metavar="PICTURE",
    type=options.PATH,
    callback=options.picture_output,
    help="Draw the accuracy by labels a class into a PNG, JPEG or WebP file; needs the extra "
    "plots.",
)
@options.force_option("the picture")
@options.json_option()
@options.pixels_option()
def evaluate(collection: Path, curve: Path | None, force: bool, as_json: bool) -> None:
    """Measure how well pictures of the same folder are found.

    The folders' names are the labels, and each picture is searched for among all others:

    \b
      R@1    share of pictures whose nearest neighbour has their label
      P@10   share of the ten nearest with the label (of as many as there are)
      mAP    mean average precision over the whole ranking
      kNN    share of pictures that their nearest neighbours classify rightly
      probe  accuracy of a linear classifier on pictures held out

    --curve shows how accuracy grows with the number of labels: probe and kNN are fitted on 1, 2, 5,
    10, 20, 50, 100 and all pictures of each class, each five times with a new random choice, and
    measured on a fifth held out.

    \b
    Example:
      clr-search evaluate photos.clr
      clr-search evaluate photos.clr --curve curve.png
      clr-search evaluate photos.clr --json | jq .recall_at_1
    """
    from clr_search.evaluate.learning_curve import learning_curve
    from clr_search.evaluate.retrieval import leave_one_out
    from clr_search.files.write import refuse_existing
    from clr_search.index import Index
    from clr_search.pictures.figure import require_plots
    from clr_search.progress import Lines
    from clr_search.serve.probe import fit_probe

    if curve is not None:
        refuse_existing(curve, force=force)
        require_plots()
    with Index.open(collection, reporter=Lines()) as index:
        embeddings = index.embeddings()
    vectors, labels = embeddings.vectors, embeddings.labels
    output.status(f"Measuring {output.count(len(labels), 'picture')} …")
    retrieval = leave_one_out(vectors, labels)
    probe: FittedProbe | None = None
    try:
        probe = fit_probe(vectors, labels)
    except UsageError as error:  # The classes are too small for a probe only.
        click.echo(f"No probe: {error.what}", err=True)
    learnt = learning_curve(vectors, labels) if curve is not None else None
    if learnt is not None and curve is not None:
        _draw(learnt, curve, collection)
    if as_json:
        output.echo_json(
            {"collection": collection, "images": len(labels)}
            | asdict(retrieval)
            | {
                "probe_accuracy": probe.accuracy if probe else None,
                "probe_interval": probe.interval if probe else None,
                "probe_held_out": probe.held_out if probe else None,
            }
            | ({"curve": asdict(learnt)} if learnt is not None else {})
        )
        return
    _print(collection, retrieval, probe)
    if learnt is not None:
        _print_curve(learnt)


def _print(collection: Path, retrieval: Retrieval, probe: FittedProbe | None) -> None:
    """Print all measures, and the number of pictures without a usable label."""
    output.echo_heading(
        f"{output.shown(collection)}: {output.count(retrieval.queries, 'query', 'queries')}"
    )
    output.echo_facts(
        [
            ("R@1", output.share(retrieval.recall_at_1)),
            ("P@10", output.share(retrieval.precision_at_10)),
            ("mAP", output.share(retrieval.mean_average_precision)),
            ("kNN", output.share(retrieval.knn_accuracy)),
            ("probe", measured(probe) if probe else ""),
        ]
    )
    left_out = (retrieval.unlabelled, "without a label"), (retrieval.alone, "alone in a class")
    for number, why in left_out:
        if number:
            click.echo(f"Left out: {output.count(number, 'picture')} {why}.", err=True)


def _draw(curve: Curve, target: Path, collection: Path) -> None:
    """Draw the learning curve into an image file."""
    from clr_search.files.write import atomic_path
    from clr_search.pictures import Line, learning_curve

    steps = curve.steps
    lines = [
        Line(name, *zip(*(_spread(scores) for scores in accuracies), strict=True))
        for name, accuracies in (
            ("probe", [step.probe for step in steps]),
            ("kNN", [step.knn for step in steps]),
        )
    ]
    ticks = [_per_class(step) for step in steps]
    title = (
        f"{collection.stem}: {output.count(curve.classes, 'class', 'classes')}, "
        f"{output.count(curve.held_out, 'picture')} held out, "
        f"{output.count(len(steps[0].probe), 'draw')}"
    )
    positions = [step.labels / curve.classes for step in steps]
    picture = learning_curve(ticks, positions, lines, curve.chance, title)
    with atomic_path(target) as temporary:
        picture.save(temporary, format=output.picture_format(target))


def _per_class(step: Step) -> str:
    """Return the number of labels a class at a step of the curve."""
    return "all" if step.per_class is None else f"{step.per_class:,}"


def _spread(scores: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation of accuracies."""
    return fmean(scores), stdev(scores)


def _print_curve(curve: Curve) -> None:
    """Print the learning curve as a table."""
    output.echo_heading("Accuracy by labels a class, mean ± deviation", apart=True)
    columns = [
        output.Column("labels", right=True, style="cyan"),
        output.Column("probe", right=True),
        output.Column("kNN", right=True),
    ]

    def cell(scores: Sequence[float]) -> str:
        mean, deviation = _spread(scores)
        return f"{100 * mean:.1f} ± {100 * deviation:.1f} %"

    rows = [[_per_class(step), cell(step.probe), cell(step.knn)] for step in curve.steps]
    output.echo_table(columns, rows, indent=2)
    click.echo(f"  chance {output.share(curve.chance)}")


def measured(probe: FittedProbe) -> str:
    """Return the accuracy of a probe, its 95 % interval, and the number of pictures measured."""
    if probe.interval is None:
        return "not measured: no class has a picture to spare"
    low, high = (100 * bound for bound in probe.interval)
    return f"{output.share(probe.accuracy)} (95 % interval {low:.1f}–{high:.1f} %, {spared(probe)})"


def spared(probe: FittedProbe) -> str:
    """Return ``863 pictures held out``, or ``25 pictures left out in turn``."""
    how = "held out" if probe.measured_by == "held out" else "left out in turn"
    return f"{output.count(probe.held_out, 'picture')} {how}"
