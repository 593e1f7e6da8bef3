"""`Matches`: the neighbours that a search has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog.paths import among_objects, is_missing

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
        Rank among the neighbours, 1 for the nearest.
    id : int
        Id of the item in its collection; an id is never reused, even after the item is removed.
    path : Path
        Absolute path of the picture.
    score : float
        Cosine similarity to the query, in [-1, 1].
    label : str or None
        Name of the folder of the picture; None directly below the folder that was indexed.
    percentile : float or None
        Share, in per cent, of random pairs of the collection that are less alike than the query and
        this picture; None if the collection has only one picture.
    missing : bool or None
        Whether there is certainly no file at `path`; None where nobody has looked (see
        `Matches.with_missing`).
    columns : mapping of str to int, float, str or None
        Values in the columns that `Query.columns` asks for; None where the picture has none.
    """

    rank: int
    id: int
    path: Path
    score: float
    label: str | None
    percentile: float | None = None
    missing: bool | None = None
    columns: Mapping[str, int | float | str | None] = field(default_factory=dict, hash=False)

    def summary(self) -> dict[str, Any]:
        """Returns the match as `--json` and the HTTP service print it, in plain values."""
        plain = {
            "rank": self.rank,
            "path": str(self.path),
            "score": self.score,
            "percentile": self.percentile,
            "label": self.label,
            "id": self.id,
            "missing": self.missing,
        }
        return plain | ({"columns": dict(self.columns)} if self.columns else {})


class Matches(Sequence[One]):
    """The neighbours of one query, or of each of many queries.

    For one query, this is a sequence of `Match`, the nearest first; neighbours of equal score are
    in the order of their ids. For many queries, it is a sequence of the `Matches` of each query.
    Their paths and labels are read from the collection on access, without items that have been
    removed meanwhile.

    Parameters
    ----------
    matches : sequence
        The matches of one query, or the `Matches` of each of many.
    ids, scores : arrays, optional
        Ids and scores of many queries, shape (Q, k); not given for one query, whose `matches`
        have them.
    same : sequence of path
        Absolute paths of items that are byte for byte the file of the query, beside the item at
        its own path; they may be among the matches.

    Examples
    --------
    >>> matches = Matches([Match(1, 7, Path("/photos/a.jpg"), 0.93, "beach")])
    >>> matches.ids, matches[0].score, len(matches)
    (array([7]), 0.93, 1)
    """

    def __init__(
        self,
        matches: Sequence[One],
        ids: NDArray[np.int64] | None = None,
        scores: NDArray[np.float32] | None = None,
        *,
        same: Sequence[Path] = (),
    ) -> None:
        self._matches = matches if ids is not None else tuple(matches)
        self.same = tuple(same)
        self._ids, self._scores = ids, scores

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids of the items, int64, (k,) for one query, (Q, k) for many; -1 stands for none."""
        if self._ids is not None:
            return self._ids
        return np.array([match.id for match in self._of_one()], dtype=np.int64)

    @property
    def scores(self) -> NDArray[np.float32]:
        """Cosine similarities, float32, falling, in the shape of `ids`; -inf stands for none."""
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

    def with_missing(self: Matches[Match]) -> Matches[Match]:
        """Returns the matches of one query with `missing` told: each file is looked for once.

        A search itself looks at no file, since a drive in a network may take long to answer.

        Examples
        --------
        >>> Matches([Match(1, 7, Path("no such file.jpg"), 0.9, None)]).with_missing()[0].missing
        True
        """
        missing = among_objects(is_missing, [str(match.path) for match in self])
        looked_for = [replace(match, missing=one) for match, one in zip(self, missing, strict=True)]
        return Matches(looked_for, same=self.same)

    def recall(self, expected: NDArray[np.int64]) -> float:
        """Returns the share of the expected neighbours that were found, in [0, 1].

        Parameters
        ----------
        expected : int64 array, of the shape of `ids`
            Ids of the true neighbours of each query, in any order; -1 stands for none.

        Examples
        --------
        >>> path = Path("/photos/a.jpg")
        >>> matches = Matches([Match(1, 7, path, 0.9, None), Match(2, 4, path, 0.8, None)])
        >>> matches.recall(np.array([7, 5]))
        0.5
        """
        expected_rows = np.atleast_2d(np.asarray(expected))
        hits = [
            np.isin(row[row >= 0], ids).sum()
            for row, ids in zip(expected_rows, np.atleast_2d(self.ids), strict=True)
        ]
        return float(np.sum(hits) / max(1, int((expected_rows >= 0).sum())))

    def _of_one(self) -> Iterator[Match]:
        """Yields the neighbours of one query, typed as `Match`."""
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
            return Matches(self._matches[position], same=self.same)
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
    """The `Matches` of each of many queries, made on access.

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
