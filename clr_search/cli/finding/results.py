"""Files with the results of many queries: see `cli.row_files` for their formats."""

from __future__ import annotations

from collections.abc import Iterator
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
}


def answer(query: Subject, matches: Matches) -> dict[str, Any]:
    """Return the matches of one query as ``--json`` prints them."""
    return {
        "query": query,
        "same": list(matches.same),
        "results": [_summary(match) for match in matches],
    }


def _summary(match: Match) -> dict[str, Any]:
    """Return a match; one whose file is not there is marked."""
    return match.summary() | ({} if match.path.exists() else {"missing": True})


class Results:
    """A file that receives the matches of one query after the other."""

    def __init__(self, file: RowFile) -> None:
        self._file = file

    def add(self, query: Subject, matches: Matches) -> None:
        """Append the matches of one query."""
        rows = [{"query": query, **match.summary()} for match in matches]
        self._file.add(answer(query, matches), rows)


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
    with row_file(path, _COLUMNS) as file:
        yield Results(file)
