"""Printing what an update of a collection has done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from clr_search.cli import output

if TYPE_CHECKING:
    from clr_search.index import IndexInfo, SkippedItem, UpdateReport
    from clr_search.index.follow import Updated

MOST_LISTED = 3
"""Paths that are listed below one line."""


def echo_line(update: Updated, skipped: set[SkippedItem]) -> None:
    """Print one update of --watch as a line, and the newly skipped files below it."""
    names = ("added", "changed", "moved", "removed")
    counts = [(getattr(update.report, name), name) for name in names] + [(len(skipped), "skipped")]
    text = ", ".join(f"{number:,} {name}" for number, name in counts if number)
    click.echo(
        f"{time.strftime('%H:%M:%S')}  {text}; {output.count(update.info.count, 'image')}", err=True
    )
    for entry in sorted(skipped, key=lambda entry: entry.path)[:MOST_LISTED]:
        click.echo(f"  skipped {output.shown(entry.path)}: {entry.reason}", err=True)


def echo_update(
    report: UpdateReport, info: IndexInfo, seconds: float, *, verbose: bool, as_json: bool
) -> None:
    """Print what an update has done, and the collection after it."""
    names = ("added", "changed", "moved", "removed", "unchanged")
    counts = {name: getattr(report, name) for name in names}
    embedded = report.added + report.changed
    rate = embedded / seconds if embedded else None
    if as_json:
        output.echo_json(_facts(report, info, counts, seconds, rate))
        return
    output.echo_heading(f"{output.shown(info.path)}: {output.count(info.count, 'image')}")
    phrases = [f"{number:,} {name}" for name, number in counts.items()]
    phrases.append(f"{len(report.skipped):,} skipped")
    speed = "" if rate is None else f", {rate:,.1f} images/s"
    output.echo_facts(
        [
            ("files", ", ".join(phrases)),
            ("search", output.structure(info)),
            ("time", output.duration(seconds) + speed),
        ]
    )
    _echo_not_taken(report, verbose=verbose)


def _facts(
    report: UpdateReport,
    info: IndexInfo,
    counts: dict[str, int],
    seconds: float,
    rate: float | None,
) -> dict[str, Any]:
    """Return what an update has done, and the collection after it, for JSON."""
    return {
        "collection": info.path,
        "images": info.count,
        **counts,
        "skipped": [{"path": e.path, "reason": e.reason} for e in report.skipped],
        "noted": [{"path": e.path, "note": str(e)} for e in report.noted],
        "passed_over": dict(report.passed_over),
        "left_out": [{"path": path, "reason": why} for path, why in report.left_out],
        "structure": info.structure,
        "recall": info.recall,
        "latency_ms": info.latency_ms,
        "seconds": round(seconds, 3),
        "images_per_second": None if rate is None else round(rate, 1),
    }


def _echo_not_taken(report: UpdateReport, *, verbose: bool) -> None:
    """Print which files were skipped, left out or taken with a loss, and why."""
    from clr_search.files.finding.left_out import passed_over, selected

    output.echo_skipped([(e.path, e.reason) for e in report.skipped], verbose=verbose)
    output.echo_noted([(e.path, str(e), e.lossy) for e in report.noted], verbose=verbose)
    for line in passed_over(report.passed_over) + selected(report.left_out, options=True):
        click.echo(line)
    if verbose and report.left_out:
        output.echo_heading(f"Left out: {output.count(len(report.left_out), 'path')}")
        rows = [(output.shown(path), why) for path, why in report.left_out]
        output.echo_table([output.Column(), output.Column(style="dim")], rows, 2)
