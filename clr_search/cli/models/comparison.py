"""Printing of `evaluate` for two collections: which of them finds better, if that can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True)
class _Compared:
    """A comparison of two collections, and which pictures it does not count.

    Attributes
    ----------
    comparison : Comparison
        The second against the first, on the pictures that both have.
    in_both, only_in_first, only_in_second, unlabelled, other_labels : int
        Numbers of pictures: in both, in one alone, without a label, and with another label in the
        second; those of the first are used.
    unmatched : list of dict
        Rows of a table of labels that name no picture, as `tables.Given` has them.
    """

    comparison: Comparison
    in_both: int
    only_in_first: int
    only_in_second: int
    unlabelled: int
    other_labels: int
    unmatched: list[dict[str, Any]]


def compare(first: Path, second: Path, table: Path | None, *, as_json: bool) -> None:
    """Compare two collections of the same pictures, and print which one finds better."""
    if first.resolve() == second.resolve():
        raise UsageError(f"{first} is given twice.", "Give two collections of the same pictures.")
    compared = _compared(first, second, table)
    if as_json:
        output.echo_json({"first": first, "second": second} | _facts(compared))
        return
    _print(first, second, compared.comparison)
    _print_left_out(compared, output.shown(first), output.shown(second))


def _compared(first: Path, second: Path, table: Path | None) -> _Compared:
    """Return the comparison of two collections, by the labels of the first or of a table."""
    from clr_search.evaluate.paired import compare_paired
    from clr_search.evaluate.pairing import same_pictures
    from clr_search.index import Index
    from clr_search.progress import Lines

    with Index.open(first, reporter=Lines()) as one, Index.open(second, reporter=Lines()) as other:
        held, known = _read(one)
        others, other_known = _read(other)
    pairs = same_pictures(known, other_known)
    if not pairs:
        raise UsageError(
            f"{first} and {second} have no picture in common.",
            "Compare collections of the same pictures, such as by two encoders.",
        )
    given = tables.Given(held.labels, [])
    if table is not None:
        given = tables.given(table, held.paths, str(first))
    output.status(f"Comparing on {output.count(len(pairs), 'picture')} …")
    at, there = ([pair[side] for pair in pairs] for side in (0, 1))
    labels = [given.labels[n] for n in at]
    theirs = labels if table is not None else [others.labels[n] for n in there]
    return _Compared(
        compare_paired(held.vectors[at], others.vectors[there], labels),
        in_both=len(pairs),
        only_in_first=len(held) - len(pairs),
        only_in_second=len(others) - len(pairs),
        unlabelled=sum(not label for label in labels),
        other_labels=sum(one != another for one, another in zip(labels, theirs, strict=True)),
        unmatched=given.unmatched,
    )


def _print_left_out(compared: _Compared, first: str, second: str) -> None:
    """Print which pictures are not counted, and whose labels are not used."""
    for number, what in (
        (compared.only_in_first, f"only in {first}"),
        (compared.only_in_second, f"only in {second}"),
        (compared.unlabelled, "without a label"),
    ):
        if number:
            click.echo(f"Left out: {output.count(number, 'picture')} {what}.", err=True)
    if compared.other_labels:
        pictures = output.count(compared.other_labels, "picture has", "pictures have")
        click.echo(f"{pictures} another label in {second}; those of {first} are used.", err=True)


def _read(index: Index) -> tuple[Embeddings, list[Identity]]:
    """Return all embeddings of a collection, and what identifies their pictures."""
    from clr_search.evaluate.pairing import Identity

    with index.snapshot():
        held = index.embeddings()
        items = index.items(held.ids.tolist())
    # Vectors that were put in without their files have no sides.
    return held, [Identity(str(item.path), item.sha256, item.width > 0) for item in items]


def _facts(compared: _Compared) -> dict[str, Any]:
    """Return a comparison for JSON."""
    comparison = compared.comparison
    return {
        "in_both": compared.in_both,
        "only_in_first": compared.only_in_first,
        "only_in_second": compared.only_in_second,
        "unlabelled": compared.unlabelled,
        "other_labels": compared.other_labels,
        "queries": comparison.pictures,
        "classes": comparison.classes,
        "verdict": comparison.verdict,
        "same": comparison.same,
        "measures": [
            asdict(one) | {"difference": one.second - one.first, "verdict": one.verdict}
            for one in comparison.differences
        ],
        "chance": asdict(comparison.chance) | {"probe_accuracy": comparison.chance.knn_accuracy},
        "majority": asdict(comparison.majority)
        | {"probe_accuracy": comparison.majority.knn_accuracy},
        "unmatched": compared.unmatched,
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
    if comparison.same:
        return f"{first} and {second} give every picture the same vector: neither is better."
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
