"""``evaluate``: measure how well pictures of the same label find each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from clr_search.cli import options, output, tables
from clr_search.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clr_search.evaluate.learning_curve import Curve, Step
    from clr_search.evaluate.retrieval import Retrieval
    from clr_search.serve.probe import FittedProbe


@options.command("evaluate")
@options.collection_argument()
@click.argument("other", metavar="[OTHER]", required=False, type=options.PATH)
@tables.labels_option("the collection's, which are the folders' names at first")
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
def evaluate(
    collection: Path,
    other: Path | None,
    labels: Path | None,
    curve: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure how well a collection finds, or compare two.

    Each picture with a label is searched for among all others:

    \b
      R@1    share of pictures whose nearest neighbour has their label
      P@10   share of the ten nearest with the label (of as many as there are)
      mAP    mean average precision over the whole ranking
      kNN    share of pictures that their nearest neighbours classify rightly
      probe  accuracy of a linear classifier, by cross-validation

    Beside each stand its 95 % interval, and what it comes to without looking at pictures: by chance
    (a random order, or a guess), and by the majority (always the largest class).

    With OTHER, a collection of the same pictures, such as by another encoder, both are measured on
    the pictures that are in both: is OTHER better than COLLECTION, worse, or can that not be told?

    --curve shows how accuracy grows with the number of labels: probe and kNN are fitted on 1, 2, 5,
    10, 20, 50, 100 and all pictures of each class, each five times with a new random choice, and
    measured on a fifth held out.

    \b
    Example:
      clr-search evaluate photos.clr
      clr-search evaluate photos.clr --labels labels.csv
      clr-search evaluate photos.clr by-a-better-encoder.clr
      clr-search evaluate photos.clr --curve curve.png
      clr-search evaluate photos.clr --json | jq .recall_at_1
    """
    from clr_search.cli.models.comparison import compare
    from clr_search.files.write import refuse_existing
    from clr_search.index import Index
    from clr_search.pictures.figure import require_plots
    from clr_search.progress import Lines

    if other is not None and curve is not None:
        raise UsageError("--curve is of one collection.", "Leave it out, or OTHER.")
    if other is not None:
        compare(collection, other, labels, as_json=as_json)
        return
    if curve is not None:
        refuse_existing(curve, force=force)
        require_plots()
    with Index.open(collection, reporter=Lines()) as index:
        embeddings = index.embeddings()
    given = tables.Given(embeddings.labels, [])
    if labels is not None:
        given = tables.given(labels, embeddings.paths, "the collection")
    output.status(f"Measuring {output.count(len(given.labels), 'picture')} …")
    measures = _measure(embeddings.vectors, given.labels, with_curve=curve is not None)
    if measures.curve is not None and curve is not None:
        _draw(measures.curve, curve, collection)
    if as_json:
        facts = {"collection": collection, "images": len(given.labels)}
        output.echo_json(facts | _facts(measures) | {"unmatched": given.unmatched})
        return
    _print(collection, measures)
    if measures.curve is not None:
        _print_curve(measures.curve)


class Measures(NamedTuple):
    """All measures of one collection.

    Attributes
    ----------
    retrieval : Retrieval
        Those of retrieval.
    intervals : dict of str to tuple of float
        Their 95 % intervals, by their names.
    probe : FittedProbe or None
        The probe; None where the classes are too small.
    curve : Curve or None
        The learning curve, where it is asked for.
    """

    retrieval: Retrieval
    intervals: dict[str, tuple[float, float]]
    probe: FittedProbe | None
    curve: Curve | None


def _measure(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, with_curve: bool
) -> Measures:
    """Measure vectors by their labels; classes too small for a probe are told of on stderr."""
    from clr_search.evaluate.learning_curve import learning_curve
    from clr_search.evaluate.retrieval import leave_one_out
    from clr_search.evaluate.uncertainty import intervals
    from clr_search.serve.probe import fit_probe

    retrieval = leave_one_out(vectors, labels)
    probe: FittedProbe | None = None
    try:
        probe = fit_probe(vectors, labels)
    except UsageError as error:  # The classes are too small for a probe only.
        click.echo(f"No probe: {error.what}", err=True)
    curve = learning_curve(vectors, labels) if with_curve else None
    return Measures(retrieval, intervals(vectors, labels, retrieval), probe, curve)


def _facts(measures: Measures) -> dict[str, Any]:
    """Return all measures for JSON."""
    retrieval, intervals, probe, curve = measures
    facts = asdict(retrieval) | {"intervals": intervals}
    for name, value in (
        ("chance", probe.chance if probe else None),
        ("majority", probe.majority if probe else None),
    ):
        facts[name]["probe_accuracy"] = value
    facts |= {
        "probe_accuracy": probe.accuracy if probe else None,
        "probe_interval": probe.interval if probe else None,
        "probe_held_out": probe.held_out if probe else None,
        "probe_measured_by": probe.measured_by if probe else None,
    }
    return facts | ({"curve": asdict(curve)} if curve is not None else {})


def _print(collection: Path, measures: Measures) -> None:
    """Print all measures, and the number of pictures without a usable label."""
    from clr_search.cli.models.comparison import NAMES

    retrieval, intervals, probe, _ = measures
    output.echo_heading(
        f"{output.shown(collection)}: {output.count(retrieval.queries, 'query', 'queries')}"
    )
    rows = [
        [
            name,
            output.share(getattr(retrieval, key)),
            _interval(intervals[key]),
            output.share(getattr(retrieval.chance, key)),
            output.share(getattr(retrieval.majority, key)),
            "",
        ]
        for key, name in NAMES.items()
        if key in intervals
    ]
    if probe is not None and probe.interval is not None:
        rows.append(
            [
                "probe",
                output.share(probe.accuracy),
                _interval(probe.interval),
                output.share(probe.chance),
                output.share(probe.majority),
                spared(probe),
            ]
        )
    columns = [
        output.Column("measure", style="cyan"),
        output.Column("score", right=True),
        output.Column("95 % interval", right=True),
        output.Column("chance", right=True),
        output.Column("majority", right=True),
        output.Column(),
    ]
    output.echo_table(columns, rows, indent=2)
    left_out = (retrieval.unlabelled, "without a label"), (retrieval.alone, "alone in a class")
    for number, why in left_out:
        if number:
            click.echo(f"Left out: {output.count(number, 'picture')} {why}.", err=True)


def _interval(interval: tuple[float, float]) -> str:
    """Return an interval of shares in per cent: ``78.3–91.0 %``."""
    low, high = (100 * bound for bound in interval)
    return f"{low:.1f}–{high:.1f} %"


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
    levels = {"chance": curve.chance, "majority": curve.majority}
    picture = learning_curve(ticks, positions, lines, levels, title)
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
    click.echo(f"  chance {output.share(curve.chance)}, majority {output.share(curve.majority)}")


def measured(probe: FittedProbe) -> str:
    """Return the accuracy of a probe, its 95 % interval, and the number of pictures measured."""
    if probe.interval is None:
        return "not measured: no class has a picture to spare"
    return (
        f"{output.share(probe.accuracy)} (95 % interval {_interval(probe.interval)}, "
        f"{spared(probe)}; chance {output.share(probe.chance)}, majority "
        f"{output.share(probe.majority)})"
    )


def spared(probe: FittedProbe) -> str:
    """Return ``863 pictures held out``, or ``25 pictures left out in turn``."""
    how = "held out" if probe.measured_by == "held out" else "left out in turn"
    return f"{output.count(probe.held_out, 'picture')} {how}"
