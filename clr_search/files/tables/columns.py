"""Columns of one's own are read from a CSV or Parquet file, beside the paths of pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clr_search.errors import UsageError, require
from clr_search.files.tables.labels import DELIMITERS, PATHS, LabelRow, LabelTable, decoded
from clr_search.files.tables.matching import match

MOST_COLUMNS = 200
"""Most columns of a table."""

MOST_CHARACTERS = 4096
"""Longest value."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a table gives to pictures.

    Attributes
    ----------
    values : dict of str to dict of int to str
        For each column, its values by the position of the picture; empty values are left out.
    unmatched : tuple of LabelRow
        Rows whose picture is not among these, or whose name is that of several.
    """

    values: dict[str, dict[int, str]]
    unmatched: tuple[LabelRow, ...]


def read_columns(path: Path, pictures: Iterable[Path | str]) -> Columns:
    """Read a table, and find its pictures as those of a table of labels are found.

    Parameters
    ----------
    path : Path
        A ``.parquet`` file, which needs pyarrow, or a CSV file as `labels.read_table` takes
        it. One column holds paths or bare names of pictures; all others are columns.
    pictures : iterable of path
        Absolute paths of the pictures.

    Raises
    ------
    UsageError
        If the file cannot be read, has no column of pictures, too many columns or too long values,
        or gives one picture different rows.
    """
    header, lines = _of_parquet(path) if path.suffix.lower() == ".parquet" else _of_csv(path)
    names = [name.strip() for name in header]
    folded = [name.lower().replace(" ", "_").replace("-", "_") for name in names]
    at = next((folded.index(known) for known in PATHS if known in folded), -1)
    if at < 0:
        raise UsageError(
            f"{path} has no column path.", f"Name the column of the pictures: {', '.join(PATHS)}."
        )
    check_names(path, names)
    rows = []
    for line, cells in lines:
        if len(cells) > len(names) and any(cells[len(names) :]):
            raise UsageError(
                f"{path}, line {line}, has {len(cells)} values for {len(names)} columns."
            )
        padded = [*cells, *[""] * len(names)][: len(names)]
        if max(map(len, padded)) > MOST_CHARACTERS:
            raise UsageError(
                f"{path}, line {line}, has a value of over {MOST_CHARACTERS:,} letters."
            )
        if name := padded[at].strip():
            rows.append(LabelRow(line, name, json.dumps([cell.strip() for cell in padded])))
    found = match(LabelTable(path, tuple(rows), 0, "UTF-8"), pictures)
    values: dict[str, dict[int, str]] = {name: {} for n, name in enumerate(names) if n != at}
    for position, row in enumerate(found.labels):
        for name, value in zip(names, json.loads(row) if row else (), strict=False):
            if name in values and value:
                values[name][position] = value
    return Columns(values, found.unmatched + found.ambiguous)


def check_names(path: Path, names: Sequence[str]) -> None:
    """Refuses names that a condition could not have, or that are there twice."""
    if len(names) > MOST_COLUMNS:
        raise UsageError(f"{path} has {len(names):,} columns; the most is {MOST_COLUMNS}.")
    for name in names:
        if not name or len(name) > 100 or '"' in name or not name.isprintable():
            raise UsageError(f"{path} has a column of the name {name[:100]!r}.", "Rename it.")
        if [other.casefold() for other in names].count(name.casefold()) > 1:
            raise UsageError(f"{path} has two columns {name}.", "Rename one of them.")


def _of_csv(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns the header of a CSV file, and its rows with the numbers of their lines."""
    try:
        text, _ = decoded(path.read_bytes(), path)
        head = text.split("\n", 1)[0]
        lines = csv.reader(
            io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=head.count), strict=True
        )
        header = next(lines, [])
        return header, [(lines.line_num, cells) for cells in lines if cells]
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV file: {error}.") from error


def _of_parquet(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Returns the header of a Parquet file, and its rows with their numbers."""
    parquet: Any = require("pyarrow.parquet", "parquet")
    try:
        table = parquet.read_table(path)
        names, rows = table.column_names, table.to_pylist()
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{path} cannot be read as Parquet: {error}.") from error
    lines = [[spelt(row[name]) for name in names] for row in rows]
    return names, list(enumerate(lines, start=1))


def spelt(value: Any) -> str:
    """Returns a value of a Parquet file as a CSV file would have it."""
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else str(value)
