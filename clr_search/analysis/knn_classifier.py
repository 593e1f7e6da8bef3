"""Classification without training: the nearest pictures vote, or nobody knows.

The weighted vote of InstDisc (arXiv 1805.01978, §3.4). Whether a picture is of any of the classes
is told by how alike the nearest one is: less than nearly all pictures of the collection are to
their own nearest, and it is none of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index.search.reader import Reader

NEIGHBOURS = 20
TEMPERATURE = 0.1
_SAMPLE = 1000  # pictures that the least likeness is learnt from
_UNKNOWN = 0.02  # share of the collection's own pictures that would be called none of these


@dataclass(frozen=True, slots=True)
class Ballot:
    """How the nearest voted on a picture.

    Attributes
    ----------
    shares : list of (str, float)
        Classes with their shares of the vote, the greatest first; they sum to 1.
    nearest : float
        Cosine of the nearest picture.
    known : bool
        Whether it is near enough for the vote to mean anything.
    """

    shares: list[tuple[str, float]]
    nearest: float
    known: bool


class Voters:
    """The labelled pictures of a collection.

    Parameters
    ----------
    index : Reader
        Of which one snapshot is taken.
    neighbours : int
        How many vote on a picture.

    Raises
    ------
    UsageError
        If fewer than two classes have pictures.
    """

    def __init__(self, index: Reader, neighbours: int = NEIGHBOURS) -> None:
        with index.snapshot():
            held = index.embeddings()
            rows = held.vectors
            self.labels = dict(zip(held.ids.tolist(), held.labels, strict=True))
            found = {name for name in held.labels if name is not None}
            if len(found) < 2:
                raise UsageError(
                    f"{index.path} has pictures of {len(found)} classes; a vote needs two.",
                    "Sort the pictures into one folder a class, and index them.",
                )
            sample = rows[:: max(1, len(rows) // _SAMPLE)]
            nearest = index.search_vectors(sample, min(2, len(rows))).scores[:, -1]
            self.least = float(np.quantile(nearest, _UNKNOWN))
        self._index, self._neighbours = index, neighbours

    def vote(self, vectors: NDArray[np.float32]) -> list[Ballot]:
        """On pictures, by their vectors, shape (n, D)."""
        found = self._index.search_vectors(vectors, self._neighbours)
        return [
            self._count(numbers.tolist(), row.tolist())
            for numbers, row in zip(found.ids, found.scores, strict=True)
        ]

    def _count(self, ids: Sequence[int], scores: Sequence[float]) -> Ballot:
        votes: defaultdict[str, float] = defaultdict(float)
        for number, score in zip(ids, scores, strict=True):
            label = self.labels.get(number)
            if label is not None:
                votes[label] += float(np.exp((score - scores[0]) / TEMPERATURE))
        total = sum(votes.values())
        shares = sorted(
            ((name, share / total) for name, share in votes.items()),
            key=lambda pair: (-pair[1], pair[0]),
        )
        return Ballot(shares, scores[0], known=bool(shares) and scores[0] >= self.least)
