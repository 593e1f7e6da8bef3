"""Classification without training: the nearest pictures vote, or nobody knows.

The vote is that of `knn`. Whether a picture is of any of the classes is told by how alike the
nearest one is: less than nearly all pictures of the collection are to their own nearest, and it is
none of these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search import knn
from clr_search.errors import UsageError
from clr_search.index.search.reader import Reader
from clr_search.serve.probe.verdict import NEAREST, Verdict

NEIGHBOURS = 20
"""Most pictures that vote on a picture. The 200 that measures take are right less often
(`bench/results/neighbours.md`)."""

_SAMPLE = 1000  # pictures that the least likeness is learnt from
_UNKNOWN = 0.02  # share of the collection's own pictures that would be called none of these


class KnnClassifier:
    """The labelled pictures of a collection.

    Parameters
    ----------
    index : Reader
        Of which one snapshot is taken.
    neighbours : int
        Most pictures that vote on a picture; no more than a class has on average.

    Raises
    ------
    UsageError
        If fewer than two classes have pictures.
    """

    def __init__(self, index: Reader, neighbours: int = NEIGHBOURS) -> None:
        with index.snapshot():
            held = index.embeddings()
            rows = held.vectors
            self.classes = sorted({name for name in held.labels if name is not None})
            if len(self.classes) < 2:
                raise UsageError(
                    f"{index.path} has pictures of {len(self.classes)} classes; a vote needs two.",
                    "Sort the pictures into one folder a class, and index them.",
                )
            numbers = {name: number for number, name in enumerate(self.classes)}
            self._ids = held.ids
            self._labels = np.array(
                [-1 if name is None else numbers[name] for name in held.labels], dtype=np.int64
            )
            sample = rows[:: max(1, len(rows) // _SAMPLE)]
            nearest = index.search_vectors(sample, min(2, len(rows))).scores[:, -1]
            self.least = float(np.quantile(nearest, _UNKNOWN))
        voters = int((self._labels >= 0).sum())
        self.neighbours = knn.neighbours(voters, len(self.classes), neighbours)
        self._index = index

    def vote(self, vectors: NDArray[np.float32]) -> list[Verdict]:
        """How the nearest vote on pictures, by their vectors, shape (n, D)."""
        found = self._index.search_vectors(vectors, self.neighbours)
        there = np.searchsorted(self._ids, found.ids).clip(max=len(self._ids) - 1)
        # What came in since has no class here.
        labels = np.where(self._ids[there] == found.ids, self._labels[there], -1)
        shares = knn.vote(labels, found.scores, len(self.classes))
        return [
            self._verdict(row, float(nearest))
            for row, nearest in zip(shares.tolist(), found.scores[:, 0], strict=True)
        ]

    def _verdict(self, shares: list[float], nearest: float) -> Verdict:
        voted = [(name, share) for name, share in zip(self.classes, shares, strict=True) if share]
        voted.sort(key=lambda pair: (-pair[1], pair[0]))
        known = bool(voted) and nearest >= self.least
        return Verdict(tuple(voted), known, NEAREST, nearest)
