"""Results of many queries in a file: CSV, JSON Lines or Parquet, by the name's ending."""

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
"""What a query is by: a picture, or the id of an item."""

ENDINGS = (".csv", ".jsonl", ".parquet")

_COLUMNS = ("query", "rank", "path", "score", "percentile", "label", "id")


class Results(Protocol):
    """Takes the answers, one query after the other."""

    def add(self, query: Subject, matches: Matches) -> None:
        """One answer."""


def answer(query: Subject, matches: Matches) -> dict[str, Any]:
    """The answer to one query, for `--json`."""
    return {"query": query, "results": [match.summary() for match in matches]}


def results_output(
    ctx: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Callback: refuse a file whose format cannot be told from its name."""
    if value is not None and value.suffix.lower() not in ENDINGS:
        raise click.BadParameter(f"{value} does not end in {', '.join(ENDINGS)}.")
    return value


@contextmanager
def written(path: Path) -> Iterator[Results]:
    """A file that takes its name when all is in it.

    CSV and Parquet have a row a result, JSON Lines an object a query, as ``--json`` prints it.
    """
    kind = path.suffix.lower()
    if kind == ".parquet":
        require("pyarrow", "parquet")
    with atomic_path(path) as temporary:
        if kind == ".parquet":
            with _Parquet(temporary) as table:
                yield table
            return
        # With surrogates: a name on disk need not be valid text.
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
    """Row groups of some thousand rows, so that millions of results need no memory."""

    _GROUP = 20_000

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
            # Parquet has text only: what is no valid text on disk is escaped.
            self._rows.append({name: _text(value) for name, value in row.items()})
        if len(self._rows) >= self._GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._from_rows(self._rows, self._schema))
        self._rows = []


def _text(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
