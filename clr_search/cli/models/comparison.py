"""Printing of `evaluate` for two collections: which of them finds better, if that can be told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import output, tables
from clr_search.errors import UsageError

if TYPE_CHECKING:
    from clr_search.evaluate.paired import Comparison, Difference
    from clr_search.evaluate.pairing import Identity
    from clr_search.index import Embeddings, Index

NAMES = {
    "recall_at_1": "R@1",
    "precision_at_10": "P@10",
    "mean_average_precision": "mAP",
    "knn_accuracy": "kNN",
    "probe_accuracy": "probe",
}
"""Names of the measures for people."""


def compare(first: Path, second: Path, table: Path | None, *, as_json: bool) -> None:
    """Compare two collections of the same pictures, and print which one finds better."""
    from clr_search.evaluate.paired import compare_paired
    from clr_search.evaluate.pairing import same_pictures
    from clr_search.index import Index
    from clr_search.progress import Lines

    if first.resolve() == second.resolve():
        raise UsageError(f"{first} is given twice.", "Give two collections of the same pictures.")
    with Index.open(first, reporter=Lines()) as one, Index.open(second, reporter=Lines()) as other:
        held, known = _read(one)
        others, other_known = _read(other)
    pairs = same_pictures(known, other_known)
    if not pairs:
        raise UsageError(
            f"{first} and {second} have no picture in common.",
            "Compare collections of the same pictures, such as by two encoders.",
        )
    found = tables.Given(held.labels, [])
    if table is not None:
        found = tables.given(table, held.paths, str(first))
    output.status(f"Comparing on {output.count(len(pairs), 'picture')} …")
    at, there = ([pair[side] for pair in pairs] for side in (0, 1))
    labels = [found.labels[n] for n in at]
    comparison = compare_paired(held.vectors[at], others.vectors[there], labels)
    only = (len(held) - len(pairs), len(others) - len(pairs))
    unlabelled = sum(not label for label in labels)
    differing = 0
    if table is None:
        differing = sum(label != others.labels[n] for label, n in zip(labels, there, strict=True))
    if as_json:
        facts = {
            "first": first,
            "second": second,
            "in_both": len(pairs),
            "only_in_first": only[0],
            "only_in_second": only[1],
            "unlabelled": unlabelled,
            "other_labels": differing,
        }
        output.echo_json(facts | _facts(comparison) | {"unmatched": found.unmatched})
        return
    _print(first, second, comparison)
    names = (output.shown(first), output.shown(second))
    for number, what in (
        (only[0], f"only in {names[0]}"),
        (only[1], f"only in {names[1]}"),
        (unlabelled, "without a label"),
    ):
        if number:
            click.echo(f"Left out: {output.count(number, 'picture')} {what}.", err=True)
    if differing:
        pictures = output.count(differing, "picture has", "pictures have")
        click.echo(
            f"{pictures} another label in {names[1]}; those of {names[0]} are used.", err=True
        )


def _read(index: Index) -> tuple[Embeddings, list[Identity]]:
    """Return all embeddings of a collection, and what identifies their pictures."""
    from clr_search.evaluate.pairing import Identity

    with index.snapshot():
        held = index.embeddings()
        items = index.items(held.ids.tolist())
    # Vectors that were put in without their files have no sides.
    return held, [Identity(str(item.path), item.sha256, item.width > 0) for item in items]


def _facts(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for JSON."""
    from dataclasses import asdict

    return {
        "queries": comparison.pictures,
        "classes": comparison.classes,
        "verdict": comparison.verdict,
        "measures": [
            asdict(one) | {"difference": one.second - one.first, "verdict": one.verdict}
            for one in comparison.differences
        ],
        "chance": asdict(comparison.chance) | {"probe_accuracy": comparison.chance.knn_accuracy},
        "majority": asdict(comparison.majority)
        | {"probe_accuracy": comparison.majority.knn_accuracy},
    }


def _print(first: Path, second: Path, comparison: Comparison) -> None:
    """Print a comparison as a table, and in a sentence."""
    names = [output.shown(first), output.shown(second)]
    output.echo_heading(
        f"{names[1]} against {names[0]}: "
        f"{output.count(comparison.pictures, 'query', 'queries')} in both"
    )
    columns = [
        output.Column("measure", style="cyan"),
        *(output.Column(name, right=True) for name in names),
        output.Column("difference (points)"),
        output.Column("verdict"),
        output.Column("chance", right=True),
        output.Column("majority", right=True),
    ]
    rows = []
    for one in comparison.differences:
        # A probe guesses a class, as the kNN does.
        key = one.measure if one.measure != "probe_accuracy" else "knn_accuracy"
        rows.append(
            [
                NAMES[one.measure],
                output.share(one.first),
                output.share(one.second),
                _points(one),
                one.verdict,
                output.share(getattr(comparison.chance, key)),
                output.share(getattr(comparison.majority, key)),
            ]
        )
    output.echo_table(columns, rows, indent=2)
    click.echo(sentence(names[0], names[1], comparison))


def _points(one: Difference) -> str:
    """Return a difference with its interval in percentage points: ``+3.1 (+0.4 to +5.8)``."""
    values = (one.second - one.first, one.low, one.high)
    middle, low, high = (f"{100 * value:+.1f}" for value in values)
    return f"{middle} ({low} to {high})"


def sentence(first: str, second: str, comparison: Comparison) -> str:
    """Return what a comparison says, in a sentence.

    Parameters
    ----------
    first, second : str
        Names of the two collections.
    comparison : Comparison
        The second against the first.
    """
    told = [one for one in comparison.differences if one.verdict != "cannot tell"]
    if comparison.verdict == "cannot tell" and told:
        return (
            f"Cannot tell which is better: {second} is better by {_listed(told, 'better')}, and "
            f"worse by {_listed(told, 'worse')}."
        )
    if comparison.verdict == "cannot tell":
        return (
            f"Cannot tell whether {second} is better or worse than {first}: with "
            f"{output.count(comparison.pictures, 'query', 'queries')}, such differences arise by "
            "chance."
        )
    return (
        f"{second} is {comparison.verdict} than {first}, by "
        f"{_listed(told, comparison.verdict)}; the intervals hold together with 95 %."
    )


def _listed(told: Sequence[Difference], verdict: str) -> str:
    """Return the measures with a verdict: ``R@1 and mAP``."""
    names = [NAMES[one.measure] for one in told if one.verdict == verdict]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
