"""Files of results, a row or an object at a time; the suffix of the name chooses the format.

The formats are CSV, JSON Lines and Parquet.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import click

from clr_search.errors import require
from clr_search.files.tables.parquet import parquet_writer, stored_text
from clr_search.files.write import atomic_path

ENDINGS = (".csv", ".jsonl", ".parquet")
"""Suffixes of the files that results can be written to."""

Columns = Mapping[str, type]
"""Columns of a table: their names, and the type of their values: str, int, float or bool."""

Row = Mapping[str, Any]


class RowFile(Protocol):
    """A file that receives one answer after the other."""

    def add(self, answer: Row, rows: Sequence[Row]) -> None:
        """Append an answer: as an object of JSON Lines, or as the rows of a table."""


def results_output(
    ctx: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse, as a callback, a file of results whose suffix is not in `ENDINGS`."""
    if value is not None and value.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"{value} does not end in {', '.join(ENDINGS)}.")
    return value


@contextmanager
def row_file(path: Path, columns: Columns) -> Iterator[RowFile]:
    """Open a file of results, which gets its name only when it is complete.

    Raises
    ------
    UsageError
        If the file is a Parquet file, and pyarrow is not installed.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        require("pyarrow", "parquet")
    with atomic_path(path) as temporary:
        if kind == ".parquet":
            with _parquet(temporary, columns) as table:
                yield table
            return
        # Surrogates are written as the bytes they stand for: a file name need not be valid text.
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield _Csv(file, columns) if kind == ".csv" else _JsonLines(file)


class _Csv:
    def __init__(self, file: Any, columns: Columns) -> None:
        self._writer = csv.DictWriter(file, list(columns))
        self._writer.writeheader()

    def add(self, answer: Row, rows: Sequence[Row]) -> None:
        self._writer.writerows(rows)


class _JsonLines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def add(self, answer: Row, rows: Sequence[Row]) -> None:
        self._file.write(json.dumps(answer, default=str) + "\n")


class _Parquet:
    """Writes row groups one after the other, so that millions of results need little memory."""

    _GROUP = 20_000  # Rows of a group; they take some megabytes.

    def __init__(self, writer: Any, columns: Columns) -> None:
        self._writer, self._columns = writer, columns
        self._rows: list[dict[str, Any]] = []

    def add(self, answer: Row, rows: Sequence[Row]) -> None:
        for row in rows:
            self._rows.append({name: self._value(name, row.get(name)) for name in self._columns})
        if len(self._rows) >= self._GROUP:
            self.flush()

    def _value(self, name: str, value: object) -> object:
        """Return a value of a column as it is stored."""
        return value if self._columns[name] is not str or value is None else stored_text(str(value))

    def flush(self) -> None:
        """Write the rows that have been added as a group."""
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(self._rows, self._writer.schema))
        self._rows = []


@contextmanager
def _parquet(path: Path, columns: Columns) -> Iterator[_Parquet]:
    """Open a Parquet file of these columns."""
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float32(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with parquet_writer(path, schema) as writer:
        file = _Parquet(writer, columns)
        yield file
        file.flush()
