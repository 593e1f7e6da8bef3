"""Files with the results of many queries: see `cli.row_files` for their formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clr_search.cli.row_files import RowFile, row_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from clr_search.index import Match, Matches


@dataclass(frozen=True, slots=True, eq=False)
class GivenVector:
    """A vector to search by, and the name by which it is shown, such as ``q.npy/3``."""

    name: str
    vector: NDArray[np.floating]

    def __str__(self) -> str:
        return self.name


Subject = Path | int | GivenVector
"""The subject of a query: the path of a picture, the id of an item, or a vector."""

_COLUMNS = {
    "query": str,
    "rank": int,
    "path": str,
    "score": float,
    "percentile": float,
    "label": str,
    "id": int,
    "missing": bool,
}


_TYPES = {"integer": int, "real": float}
"""Types of the values of columns that are no text."""


def answer(query: Subject, matches: Matches) -> dict[str, Any]:
    """Return the matches of one query as ``--json`` prints them."""
    return {
        "query": query,
        "same": list(matches.same),
        "results": [match.summary() for match in matches],
    }


class Results:
    """A file that receives the matches of one query after the other.

    Parameters
    ----------
    file : RowFile
        The file.
    named : mapping of str to str
        Header of each column of the collection that the file has.
    """

    def __init__(self, file: RowFile, named: Mapping[str, str]) -> None:
        self._file, self._named = file, named

    def add(self, query: Subject, matches: Matches) -> None:
        """Append the matches of one query."""
        self._file.add(answer(query, matches), [self._row(query, match) for match in matches])

    def _row(self, query: Subject, match: Match) -> dict[str, Any]:
        """Return the row of one match."""
        row = {"query": query, **match.summary()}
        row.pop("columns", None)
        return row | {self._named[name]: value for name, value in match.columns.items()}


@contextmanager
def written(path: Path, kinds: Mapping[str, str]) -> Iterator[Results]:
    """Open a file of results, which gets its name only when it is complete.

    CSV and Parquet files have a row for each result. JSON Lines files have an object for each
    query, as ``--json`` prints it.

    Parameters
    ----------
    path : Path
        The file.
    kinds : mapping of str to str
        Kind of each column of the collection that the results have. One that is called as a column
        which every file has is written as ``column.NAME``.

    Raises
    ------
    UsageError
        If the file is a Parquet file, and pyarrow is not installed.
    """
    named = {name: f"column.{name}" if name in _COLUMNS else name for name in kinds}
    types = {named[name]: _TYPES.get(kind, str) for name, kind in kinds.items()}
    with row_file(path, _COLUMNS | types) as file:
        yield Results(file, named)
