"""Two encoders on the same pictures: which one finds better, or whether that cannot be told.

Each picture is measured by both, so that what is difficult about a picture is difficult for both,
and the differences vary less than the values. The intervals of all measures hold together with 95 %
(Bonferroni): where the encoders are equally good, none of the measures says otherwise, in 19 of 20
comparisons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.evaluate.baselines import Baseline, chance_of, majority_of
from clr_search.evaluate.retrieval import MEASURES, query_scores, refuse_one_class
from clr_search.evaluate.uncertainty import errors
from clr_search.serve.probe.fit import EVERY, LEAST, MANY, best_penalty, crossed, ranks
from clr_search.serve.probe.interval import CORRELATED

Verdict = Literal["better", "worse", "cannot tell"]

PROBE = "probe_accuracy"


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of both encoders.

    Attributes
    ----------
    measure : str
        One of `retrieval.MEASURES`, or `PROBE`.
    first, second : float
        Its values for the two encoders, in [0, 1].
    low, high : float
        Interval of second − first, in [−1, 1]; the intervals of all measures hold together with
        95 %.
    """

    measure: str
    first: float
    second: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """Whether the second encoder is better than the first; told where 0 is no such value."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "cannot tell"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The comparison of two encoders on the same pictures.

    Attributes
    ----------
    differences : tuple of Difference
        The measures; that of the probe is missing where the classes are too small for one.
    pictures : int
        Number of pictures that were queries.
    classes : int
        Number of their classes.
    chance, majority : Baseline
        What the measures come to by chance, and by always finding the largest class.
    same : bool
        Whether both encoders give each of the pictures the very same vector.
    """

    differences: tuple[Difference, ...]
    pictures: int
    classes: int
    chance: Baseline
    majority: Baseline
    same: bool = False

    @property
    def verdict(self) -> Verdict:
        """The verdict of all measures: better by some and worse by none, or the other way round."""
        found = {one.verdict for one in self.differences} - {"cannot tell"}
        return found.pop() if len(found) == 1 else "cannot tell"


def compare_paired(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    labels: Sequence[str | None],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare two encoders by their vectors of the same pictures.

    Parameters
    ----------
    first, second : float32 arrays, shapes (N, D) and (N, E)
        Rows of unit length; row i of both is the same picture.
    labels : sequence of str or None, length N
        Classes of the pictures; those without one are left out.
    seed : int
        Seed of the draws, and of the folds of the probe.

    Raises
    ------
    UsageError
        If the arguments do not fit together, no class has two pictures, or there is one only.

    Examples
    --------
    >>> x = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1, 1]]
    >>> found = compare_paired(x, x, ["cat"] * 3 + ["dog"] * 3)
    >>> found.verdict, found.same
    ('cannot tell', True)
    """
    if not len(first) == len(second) == len(labels):
        raise UsageError(
            f"{len(first):,} and {len(second):,} vectors and {len(labels):,} labels are not of the "
            "same pictures."
        )
    known = [at for at, label in enumerate(labels) if label]
    y = np.unique([labels[at] or "" for at in known], return_inverse=True)[1]
    sizes = np.bincount(y)
    if not len(sizes) or sizes.max() < 2:
        raise UsageError(
            "Comparing needs a class of at least two pictures that are in both, and there is none.",
            "Sort pictures into one folder a class, or give labels with --labels labels.csv.",
        )
    refuse_one_class(len(sizes))
    pair = [np.asarray(vectors[known], np.float32) for vectors in (first, second)]
    z = NormalDist().inv_cdf(1 - 0.05 / 2 / (len(MEASURES) + 1))
    differences = [*_retrieval(pair, y, z, seed), *_probe(pair, y, z, seed)]
    return Comparison(
        tuple(differences),
        pictures=int(sizes[sizes >= 2].sum()),
        classes=len(sizes),
        chance=chance_of(sizes),
        majority=majority_of(sizes),
        same=np.array_equal(pair[0], pair[1]),
    )


def _retrieval(
    pair: Sequence[NDArray[np.float32]], y: NDArray[np.int64], z: float, seed: int
) -> list[Difference]:
    """Return the differences of the measures of retrieval."""
    scores = [query_scores(x, y)[1] for x in pair]
    # One more pair of queries that differ, in either direction, keeps the interval of few pictures
    # from having no width (Agresti and Min 2005, for paired proportions).
    least = 1 / (len(scores[0]) + 2) ** 2
    covariances = errors(pair, y, seed=seed)
    found = []
    for measure, covariance, values in zip(
        MEASURES, covariances, np.mean(scores, axis=1).T, strict=True
    ):
        variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        found.append(_difference(measure, values, z * sqrt(max(0.0, variance) + least)))
    return found


def _probe(
    pair: Sequence[NDArray[np.float32]], y: NDArray[np.int64], z: float, seed: int
) -> list[Difference]:
    """Return the difference of the probes; nothing where the classes are too small."""
    large = np.bincount(y) >= LEAST
    if large.sum() < 2:
        return []
    chosen = large[y]
    y = np.unique(y[chosen], return_inverse=True)[1]
    turns = ranks(y, np.random.default_rng(seed)) % EVERY
    if len(y) >= MANY:  # As `fit_probe` does, one fifth is enough.
        turns = np.where(turns == 0, 0, -1)
    spared = turns >= 0
    right = []
    for vectors in pair:
        x = vectors[chosen].astype(np.float64)
        free = np.full(len(y), True) if spared.all() else ~spared
        penalty = best_penalty(x[free], y[free], np.random.default_rng(seed))
        right.append((crossed(x, y, turns, penalty).argmax(axis=1) == y)[spared].astype(float))
    differences = right[1] - right[0]
    count = len(differences)
    variance = (np.sum(differences**2) + 1 - differences.sum() ** 2 / (count + 2)) / (
        count + 2
    ) ** 2
    variance *= CORRELATED if spared.all() else 1
    return [_difference(PROBE, np.mean(right, axis=1), z * sqrt(variance))]


def _difference(measure: str, values: NDArray[Any], margin: float) -> Difference:
    """Return a difference with its interval, which stays within what is possible."""
    first, second = (float(value) for value in values)
    low, high = (second - first - margin, second - first + margin)
    return Difference(measure, first, second, max(-1.0, low), min(1.0, high))
