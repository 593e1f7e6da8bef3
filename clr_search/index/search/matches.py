"""Results of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Match:
    """One neighbour of a query.

    Attributes
    ----------
    rank : int
        1 for the nearest.
    id : int
        Of the item in its collection; never used twice, not even after the item is removed.
    path : Path
        Absolute.
    score : float
        Cosine similarity to the query, in [-1, 1].
    label : str or None
        Name of the folder the picture lies in; None directly below the folder that was indexed.
    percentile : float or None
        Share, in per cent, of random pairs of the collection that are less alike than the query and
        this picture; None in a collection of one.
    """

    rank: int
    id: int
    path: Path
    score: float
    label: str | None
    percentile: float | None = None

    def summary(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "rank": self.rank,
            "path": str(self.path),
            "score": self.score,
            "percentile": self.percentile,
            "label": self.label,
            "id": self.id,
        }


class Matches(Sequence[Match]):
    """Neighbours of a query, the nearest first; those of equal score in the order of their ids."""

    def __init__(self, matches: Sequence[Match]) -> None:
        self._matches = tuple(matches)

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids, shape (len,)."""
        return np.array([match.id for match in self._matches], dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """Cosine similarities, shape (len,), never rising."""
        return np.array([match.score for match in self._matches], dtype=np.float32)

    @property
    def paths(self) -> list[Path]:
        """Absolute paths."""
        return [match.path for match in self._matches]

    @property
    def labels(self) -> list[str | None]:
        """Labels."""
        return [match.label for match in self._matches]

    def __len__(self) -> int:
        return len(self._matches)

    @overload
    def __getitem__(self, position: int) -> Match: ...
    @overload
    def __getitem__(self, position: slice) -> Matches: ...
    def __getitem__(self, position: int | slice) -> Match | Matches:
        if isinstance(position, slice):
            return Matches(self._matches[position])
        return self._matches[position]

    def __iter__(self) -> Iterator[Match]:
        return iter(self._matches)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matches) and self._matches == other._matches

    def __hash__(self) -> int:
        return hash(self._matches)

    def __repr__(self) -> str:
        lines = [
            f"  {match.rank:>3}  {match.score:.4f}  {match.path}" for match in self._matches[:10]
        ]
        if len(self) > len(lines):
            lines.append(f"  … {len(self) - len(lines)} more")
        return "\n".join([f"{len(self)} matches", *lines])
