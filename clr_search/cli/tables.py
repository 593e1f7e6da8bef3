"""Labels from a CSV file, for commands: the option, and what of the file found no picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from clr_search.cli import options, output
from clr_search.errors import UsageError

if TYPE_CHECKING:
    from clr_search.files.tables.labels import LabelRow
    from clr_search.index import Index

_LISTED = 20  # rows without a picture that are printed; --json has all


class Given(NamedTuple):
    """Labels that a table gives to pictures.

    Attributes
    ----------
    labels : list of (str or None)
        A label for each picture; None where the table has none.
    unmatched : list of dict
        The rows of no picture, or of several, for JSON: line, path, label and why.
    """

    labels: list[str | None]
    unmatched: list[dict[str, Any]]


def labels_option(otherwise: str = "the folders' names") -> options.Decorator[Any]:
    """Return the option ``--labels``; `otherwise` says where labels come from without it."""
    return click.option(
        "--labels",
        metavar="CSV",
        type=options.EXISTING_FILE,
        help=f"Classes by picture, columns path and label.  [default: {otherwise}]",
    )


def give_columns(index: Index, table: Path) -> None:
    """Give a collection the columns of a table; rows that name no picture are listed on stderr."""
    from clr_search.files.tables.columns import read_columns

    ids = index.ids()
    found = read_columns(table, [item.path for item in index.items(ids)])
    index.give_columns(
        {
            name: {ids[at]: value for at, value in values.items()}
            for name, values in found.values.items()
        }
    )
    missing = [(row, "not in the collection, or several") for row in found.unmatched]
    _list(table, missing, "the collection", "name")


def given(table: Path, paths: Sequence[Path], where: str) -> Given:
    """Return the labels that a CSV file gives to pictures; what found none is listed on stderr.

    Parameters
    ----------
    table : Path
        The CSV file.
    paths : sequence of Path
        Absolute paths of the pictures.
    where : str
        What the pictures are in, for messages, such as ``"the collection"``.

    Raises
    ------
    UsageError
        If the file cannot be used (see `files.tables.labels`), no row has a label, or none
        finds a picture.
    """
    from clr_search.files.tables.labels import read_table
    from clr_search.files.tables.matching import match

    read = read_table(table)
    if read.is_guessed:
        click.echo(
            f"{output.shown(table)} is no Unicode text, and was read as {read.encoding}. Save it "
            "as CSV in UTF-8 if letters are wrong.",
            err=True,
        )
    if not read.rows:
        raise UsageError(
            f"No row of {output.shown(table)} has a label; {read.unlabelled:,} name a picture.",
            "Fill the column of labels.",
        )
    found = match(read, paths)
    if not any(found.labels):
        raise UsageError(
            f"None of the {output.count(len(read.rows), 'picture')} in {output.shown(table)} is "
            f"in {where}: line {read.rows[0].line} names {read.rows[0].name}.",
            f"Pictures of {where} have paths such as {paths[0]}." if len(paths) else "",
        )
    missing = [(row, f"not in {where}") for row in found.unmatched]
    missing += [(row, "the name of several pictures") for row in found.ambiguous]
    _list(table, missing, where)
    return Given(
        found.labels,
        [
            {"line": row.line, "path": row.name, "label": row.label, "reason": why}
            for row, why in missing
        ],
    )


def _list(
    table: Path, missing: Sequence[tuple[LabelRow, str]], where: str, does: str = "label"
) -> None:
    """Print the rows of no picture on stderr; `does` is what they should do to one."""
    if not missing:
        return
    rows = output.count(len(missing), f"row {does}s", f"rows {does}")
    click.echo(f"{output.shown(table)}: {rows} no picture in {where}:", err=True)
    for row, why in missing[:_LISTED]:
        click.echo(f"  line {row.line}: {row.name}: {why}", err=True)
    if len(missing) > _LISTED:
        more = len(missing) - _LISTED
        click.echo(f"  … and {more:,} more; --json lists all.", err=True)
