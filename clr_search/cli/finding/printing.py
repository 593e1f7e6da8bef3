"""The matches of a query, as ``search`` prints them for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from clr_search.cli import output

if TYPE_CHECKING:
    from clr_search.index import Matches

_COPIES_NAMED = 3  # as many paths of copies of a query are printed, and the number of the others


def print_same(matches: Matches) -> None:
    """Print where the file of the query is in the collection, beside its own path."""
    if not matches.same:
        return
    from clr_search.index.catalog.paths import is_missing

    named = matches.same[:_COPIES_NAMED]
    paths = ", ".join(output.marked(path, missing=is_missing(str(path))) for path in named)
    further = len(matches.same) - _COPIES_NAMED
    more = f" and {further:,} more" if further > 0 else ""
    click.echo(f"  the same file is in the collection: {paths}{more}")


def print_matches(matches: Matches, *, nothing: str) -> None:
    """Print a table of matches, or the text `nothing` where there are none."""
    if not matches:
        click.echo(f"  ({nothing})")
    columns = [
        output.Column(right=True, style="dim"),
        output.Column(right=True, style="cyan"),
        output.Column(right=True, style="dim"),
    ]
    rows = [[str(m.rank), f"{m.score:.4f}", _beyond(m.percentile)] for m in matches]
    if any(matches.labels):
        columns.append(output.Column(style="green"))
        for row, match in zip(rows, matches, strict=True):
            row.append(match.label or "")
    for name in matches[0].columns if matches else ():
        values = [match.columns[name] for match in matches]
        numbers = all(value is None or not isinstance(value, str) for value in values)
        columns.append(output.Column(heading=name, right=numbers))
        for row, value in zip(rows, values, strict=True):
            row.append("" if value is None else str(value))
    columns.append(output.Column())
    for row, match in zip(rows, matches, strict=True):
        row.append(output.marked(match.path, missing=bool(match.missing)))
    output.echo_table(columns, rows, indent=2)


def _beyond(percentile: float | None) -> str:
    """Return a percentile such as ``99.97 %``, rounded down, so that 100 means beyond all pairs."""
    return "" if percentile is None else f"{math.floor(100 * percentile) / 100:.2f} %"
