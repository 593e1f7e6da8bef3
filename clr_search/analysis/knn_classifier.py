"""Classification without training: the nearest labelled pictures vote on the class.

The vote is that of `knn`. Pictures without a label are passed over. A picture is of none of the
classes if the nearest labelled one is less like it than the nearest of nearly all labelled pictures
are like those.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search import knn
from clr_search.errors import UsageError
from clr_search.index.search.query import SearchOptions
from clr_search.index.search.reader import Reader
from clr_search.serve.probe.verdict import NEAREST, Verdict

NEIGHBOURS = 20
"""Most pictures that vote on a picture. With 200, as the measures of `evaluate` use, the vote is
right less often (`bench/results/neighbours.md`)."""

_SAMPLE = 1000  # pictures that the least score is learned from: enough for its lowest 2 %
_UNKNOWN = 0.02  # share of the labelled pictures that would be called unknown
_LEAST_SAMPLE = 19  # with fewer, more than one new picture in twenty would be called unknown


class KnnClassifier:
    """A classifier by vote of the labelled pictures of a collection.

    Parameters
    ----------
    index : Reader
        The collection; its labels are read once, in one snapshot.
    neighbours : int
        Most pictures that vote on a picture; no more vote than a class has on average.

    Attributes
    ----------
    classes : list of str
        Names of the classes, sorted.
    least : float or None
        Least score of the nearest neighbour of a picture that is of one of the classes; None where
        fewer than 19 pictures have labels, so that it cannot be told.
    neighbours : int
        The number of pictures that vote.

    Raises
    ------
    UsageError
        If fewer than two classes have pictures.

    Examples
    --------
    ::

        classifier = KnnClassifier(index)
        verdicts = classifier.vote(index.encoder.encode(pictures))
    """

    def __init__(self, index: Reader, neighbours: int = NEIGHBOURS) -> None:
        with index.snapshot():
            embedded = index.embeddings()
            rows = embedded.vectors
            self.classes = sorted({name for name in embedded.labels if name is not None})
            if len(self.classes) < 2:
                raise UsageError(
                    f"{index.path} has pictures of {len(self.classes)} classes; a vote needs two.",
                    "Sort the pictures into one folder a class, and index them, or give labels: "
                    f"clr-search label {index.path} labels.csv",
                )
            numbers = {name: number for number, name in enumerate(self.classes)}
            self._ids = embedded.ids
            self._labels = np.array(
                [-1 if name is None else numbers[name] for name in embedded.labels], dtype=np.int64
            )
            labelled = rows[self._labels >= 0]
            self._only: SearchOptions = {}
            if len(labelled) < len(rows):
                self._only = {"where": "label IS NOT NULL"}
            self.least: float | None = None
            if len(labelled) >= _LEAST_SAMPLE:
                sample = labelled[:: max(1, len(labelled) // _SAMPLE)]
                nearest = index.search_vectors(sample, 2, **self._only).scores[:, -1]
                self.least = float(np.quantile(nearest, _UNKNOWN))
        self.neighbours = knn.neighbours(len(labelled), len(self.classes), neighbours)
        self._index = index

    def vote(self, vectors: NDArray[np.float32]) -> list[Verdict]:
        """Classify pictures by the votes of their nearest neighbours.

        Parameters
        ----------
        vectors : float32 array, shape (n, D)
            Vectors of the pictures, of any length but 0.

        Returns
        -------
        list of Verdict, length n
            The classes with their shares of the vote, and whether the picture is of any of them.
            That is None where too few pictures have labels to tell.
        """
        matches = self._index.search_vectors(vectors, self.neighbours, **self._only)
        positions = np.searchsorted(self._ids, matches.ids).clip(max=len(self._ids) - 1)
        # Items that were added since the labels were read have no class.
        labels = np.where(self._ids[positions] == matches.ids, self._labels[positions], -1)
        shares = knn.vote(labels, matches.scores, len(self.classes))
        return [
            self._verdict(row, float(nearest))
            for row, nearest in zip(shares.tolist(), matches.scores[:, 0], strict=True)
        ]

    def _verdict(self, shares: list[float], nearest: float) -> Verdict:
        """Returns the verdict on one picture: its classes by falling share of the vote."""
        voted = [(name, share) for name, share in zip(self.classes, shares, strict=True) if share]
        voted.sort(key=lambda pair: (-pair[1], pair[0]))
        known: bool | None = bool(voted)
        if voted:
            known = None if self.least is None else nearest >= self.least
        return Verdict(tuple(voted), known, NEAREST, nearest)
