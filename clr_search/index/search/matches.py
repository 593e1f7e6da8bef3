"""`Matches`: what a search has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    One = TypeVar("One", default="Match")
else:
    from typing import TypeVar

    One = TypeVar("One")


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
        """The match as `--json` and the HTTP service give it."""
        return {
            "rank": self.rank,
            "path": str(self.path),
            "score": self.score,
            "percentile": self.percentile,
            "label": self.label,
            "id": self.id,
        }


class Matches(Sequence[One]):
    """The neighbours of one query, or of each of many.

    Of one query it is a sequence of `Match`, the nearest first, those of equal score in the order
    of their ids. Of many queries it is a sequence with the `Matches` of each; their paths and
    labels are read from the collection when they are looked at, and those of items that have been
    removed meanwhile are left out.

    Parameters
    ----------
    matches : sequence
        The matches of one query, or the `Matches` of each of many.
    ids, scores : arrays, optional
        Of many queries, shape (Q, k); of one query they are those of `matches`.

    Examples
    --------
    >>> found = Matches([Match(1, 7, Path("/photos/a.jpg"), 0.93, "beach")])
    >>> found.ids, found[0].score, len(found)
    (array([7]), 0.93, 1)
    """

    def __init__(
        self,
        matches: Sequence[One],
        ids: NDArray[np.int64] | None = None,
        scores: NDArray[np.float32] | None = None,
    ) -> None:
        self._matches = matches if ids is not None else tuple(matches)
        self._ids, self._scores = ids, scores

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the items: shape (k,) of one query; (Q, k) of many, -1 where there are fewer."""
        if self._ids is not None:
            return self._ids
        return np.array([match.id for match in self._of_one()], dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """Cosine similarities, never rising, of the shape of `ids`; -inf where there are fewer."""
        if self._scores is not None:
            return self._scores
        return np.array([match.score for match in self._of_one()], dtype=np.float32)

    @property
    def paths(self: Matches[Match]) -> list[Path]:
        """Absolute paths of the neighbours of one query."""
        return [match.path for match in self]

    @property
    def labels(self: Matches[Match]) -> list[str | None]:
        """Labels of the neighbours of one query."""
        return [match.label for match in self]

    def recall(self, expected: NDArray[np.int64]) -> float:
        """Share of the expected neighbours that were found, in [0, 1].

        Parameters
        ----------
        expected : int64 array, of the shape of `ids`
            Ids of the true neighbours, in any order; -1 stands for none.
        """
        truth = np.atleast_2d(np.asarray(expected))
        hits = [
            np.isin(row[row >= 0], found).sum()
            for row, found in zip(truth, np.atleast_2d(self.ids), strict=True)
        ]
        return float(np.sum(hits) / max(1, int((truth >= 0).sum())))

    def _of_one(self) -> Iterator[Match]:
        """Returns the neighbours of one query, as what they are."""
        return (match for match in self._matches if isinstance(match, Match))

    def __len__(self) -> int:
        return len(self._matches)

    @overload
    def __getitem__(self, position: int) -> One: ...
    @overload
    def __getitem__(self, position: slice) -> Matches[One]: ...
    def __getitem__(self, position: int | slice) -> One | Matches[One]:
        if not isinstance(position, slice):
            return self._matches[position]
        if self._ids is None or self._scores is None:
            return Matches(self._matches[position])
        return Matches(self._matches[position], self._ids[position], self._scores[position])

    def __iter__(self) -> Iterator[One]:
        return iter(self._matches)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matches) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        if self._ids is not None:
            return f"Matches of {len(self):,} queries, {self._ids.shape[1]} each"
        lines = [
            f"  {match.rank:>3}  {match.score:.4f}  {match.path}"
            for match in islice(self._of_one(), 10)
        ]
        if len(self) > len(lines):
            lines.append(f"  … {len(self) - len(lines)} more")
        return "\n".join([f"{len(self)} matches", *lines])


class Rows(Sequence[Matches[Match]]):
    """The `Matches` of each of many queries, made when they are looked at.

    Parameters
    ----------
    ids, scores : arrays, shape (Q, k)
        Ids and scores as in `Neighbours`.
    described : callable
        Makes the matches of one query from its ids and scores.
    """

    def __init__(
        self,
        ids: NDArray[np.int64],
        scores: NDArray[np.float32],
        described: Callable[[NDArray[np.int64], NDArray[np.float32]], Matches],
    ) -> None:
        self._ids, self._scores, self._described = ids, scores, described

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, position: int) -> Matches[Match]: ...
    @overload
    def __getitem__(self, position: slice) -> Rows: ...
    def __getitem__(self, position: int | slice) -> Matches[Match] | Rows:
        if isinstance(position, slice):
            return Rows(self._ids[position], self._scores[position], self._described)
        return self._described(self._ids[position], self._scores[position])
