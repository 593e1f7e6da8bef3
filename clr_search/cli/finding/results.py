"""Files with the results of many queries; the suffix of the name chooses the format.

The formats are CSV, JSON Lines and Parquet.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from clr_search.errors import require
from clr_search.files.write import atomic_path

if TYPE_CHECKING:
    from clr_search.index import Matches

Subject = Path | int
"""The subject of a query: the path of a picture, or the id of an item."""

ENDINGS = (".csv", ".jsonl", ".parquet")
"""Suffixes of the files that results can be written to."""

_COLUMNS = ("query", "rank", "path", "score", "percentile", "label", "id")


class Results(Protocol):
    """A file that receives the matches of one query after the other."""

    def add(self, query: Subject, matches: Matches) -> None:
        """Append the matches of one query."""


def answer(query: Subject, matches: Matches) -> dict[str, Any]:
    """Return the matches of one query as ``--json`` prints them."""
    return {"query": query, "results": [match.summary() for match in matches]}


def results_output(
    ctx: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse, as a callback, a file of results whose suffix is not in `ENDINGS`."""
    if value is not None and value.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"{value} does not end in {', '.join(ENDINGS)}.")
    return value


@contextmanager
def written(path: Path) -> Iterator[Results]:
    """Open a file of results, which gets its name only when it is complete.

    CSV and Parquet files have a row for each result. JSON Lines files have an object for each
    query, as ``--json`` prints it.

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
            with _Parquet(temporary) as table:
                yield table
            return
        # Surrogates are written as the bytes they stand for: a file name need not be valid text.
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield _Csv(file) if kind == ".csv" else _JsonLines(file)


class _Csv:
    def __init__(self, file: Any) -> None:
        self._writer = csv.DictWriter(file, _COLUMNS)
        self._writer.writeheader()

    def add(self, query: Subject, matches: Matches) -> None:
        self._writer.writerows({"query": query, **match.summary()} for match in matches)


class _JsonLines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def add(self, query: Subject, matches: Matches) -> None:
        self._file.write(json.dumps(answer(query, matches), default=str) + "\n")


class _Parquet:
    """Writes row groups one after the other, so that millions of results need little memory."""

    _GROUP = 20_000  # Rows of a group; they take some megabytes.

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        self._from_rows = pa.Table.from_pylist
        text, whole, real = pa.string(), pa.int64(), pa.float32()
        kinds = (text, whole, text, real, real, text, whole)
        self._schema = pa.schema(list(zip(_COLUMNS, kinds, strict=True)))
        self._writer = ParquetWriter(path, self._schema)
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, query: Subject, matches: Matches) -> None:
        for match in matches:
            row = {"query": str(query), **match.summary()}
            # Parquet stores valid text only, so that other file names are escaped.
            self._rows.append({name: _text(value) for name, value in row.items()})
        if len(self._rows) >= self._GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._from_rows(self._rows, self._schema))
        self._rows = []


def _text(value: object) -> object:
    """Return a value with escapes in the place of characters that are not valid Unicode."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
