"""``evaluate``: how good a collection is to search in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError

if TYPE_CHECKING:
    from clr_search.serve.metrics import Retrieval
    from clr_search.serve.probe import FittedProbe


@options.command("evaluate")
@options.collection_argument()
@options.json_option()
def evaluate(collection: Path, as_json: bool) -> None:
    """Measure how well pictures of the same folder are found.

    The folders' names are the labels, and each picture is searched for among all others:

    \b
      R@1    share of pictures whose nearest neighbour has their label
      P@10   share of the ten nearest with the label (of as many as there are)
      mAP    mean average precision over the whole ranking
      kNN    share of pictures that their nearest neighbours classify rightly
      probe  accuracy of a linear classifier on pictures held out

    \b
    Example:
      clr-search evaluate photos.clr
      clr-search evaluate photos.clr --json | jq .recall_at_1
    """
    from clr_search.index import Index
    from clr_search.progress import Lines
    from clr_search.serve.metrics import leave_one_out
    from clr_search.serve.probe import fit_probe

    with Index.open(collection, reporter=Lines()) as index, index.snapshot():
        _, vectors = index.vectors()
        labels = index.labels()
    output.status(f"Measuring {output.count(len(labels), 'picture')} …")
    found = leave_one_out(vectors, labels)
    probe: FittedProbe | None = None
    try:
        probe = fit_probe(vectors, labels)
    except UsageError as error:  # classes too small for it; the other measures stand
        click.echo(f"No probe: {error.what}", err=True)
    if as_json:
        output.echo_json(
            {"collection": collection, "images": len(labels)}
            | asdict(found)
            | {
                "probe_accuracy": probe.accuracy if probe else None,
                "probe_interval": probe.interval if probe else None,
                "probe_held_out": probe.held_out if probe else None,
            }
        )
        return
    _print(collection, found, probe)


def _print(collection: Path, found: Retrieval, probe: FittedProbe | None) -> None:
    output.echo_heading(
        f"{output.shown(collection)}: {output.count(found.queries, 'query', 'queries')}"
    )
    output.echo_facts(
        [
            ("R@1", output.share(found.recall_at_1)),
            ("P@10", output.share(found.precision_at_10)),
            ("mAP", output.share(found.mean_average_precision)),
            ("kNN", output.share(found.knn_accuracy)),
            ("probe", measured(probe) if probe else ""),
        ]
    )
    for number, why in ((found.unlabelled, "without a label"), (found.alone, "alone in a class")):
        if number:
            click.echo(f"Left out: {output.count(number, 'picture')} {why}.", err=True)


def measured(probe: FittedProbe) -> str:
    """Accuracy with its interval: ``84.3 % (81.7–86.6 %, 863 pictures held out)``."""
    if probe.interval is None:
        return "not measured: no class has a picture to spare"
    low, high = (100 * bound for bound in probe.interval)
    return f"{output.share(probe.accuracy)} (95 % interval {low:.1f}–{high:.1f} %, {spared(probe)})"


def spared(probe: FittedProbe) -> str:
    """``863 pictures held out``, or ``25 pictures left out in turn``."""
    how = "held out" if probe.measured_by == "held out" else "left out in turn"
    return f"{output.count(probe.held_out, 'picture')} {how}"
