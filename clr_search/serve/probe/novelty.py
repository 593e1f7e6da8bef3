"""Novelty tells pictures of none of the classes, by their distance from every class.

The measure is the Mahalanobis distance to the nearest class mean, under the covariance that the
classes share (Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples,
NeurIPS 2018), shrunk as by Ledoit and Wolf (2004), so that few pictures suffice. `bench/unknown.py`
compares it with others. Split conformal prediction (Vovk et al. 2005; Lei et al. 2018) sets the
threshold: it lies beyond nearly all known pictures that the distance was not fitted on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.cores import one_thread

REFUSED = 0.05
"""Largest mean share, in [0, 1], of pictures of the classes that novelty may refuse."""

HELD_OUT, LEFT_OUT = "held out", "leave one out"
"""The two ways to choose the pictures whose distances set the threshold."""

TURNS = 100
"""Largest number of fits in which each picture is left out once; it bounds the time."""

# Least eigenvalue relative to the mean one. Vectors of two runtimes differ by up to 1e-4, and
# whitening divides this difference by the root of the eigenvalue.
_FLOOR = 1e-3

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Distance:
    """The distance to the nearest class mean: the least |(x − shift)·whitening − centre|.

    Attributes
    ----------
    shift : float64 array, shape (D,)
        Mean of the class means.
    whitening : float64 array, shape (D, D)
        Matrix under which the spread within the classes is the same in all directions.
    centres : float64 array, shape (C, D)
        Class means, shifted and whitened.
    """

    shift: NDArray[np.float64]
    whitening: NDArray[np.float64]
    centres: NDArray[np.float64]

    @classmethod
    def fit(cls, x: Floats, y: NDArray[Any]) -> Distance:
        """Fit the distance to embeddings, shape (n, D), and their classes 0 … C − 1, shape (n,).

        Each class has one picture or more. Where no class has two, the spread within classes is
        unknown, and the distance is Euclidean.
        """
        from sklearn.covariance import ledoit_wolf

        x = x.astype(np.float64)
        means = np.stack([x[y == one].mean(axis=0) for one in range(int(y.max()) + 1)])
        shift = means.mean(axis=0)
        inner = (x - means[y])[np.bincount(y)[y] > 1]  # A picture alone in its class has no spread.
        if not np.abs(inner).max(initial=0.0) > 1e-9:
            whitening = np.eye(x.shape[1])
        else:
            covariance = ledoit_wolf(inner, assume_centered=True)[0]
            with one_thread():
                values, vectors = np.linalg.eigh(covariance)
            whitening = vectors / np.sqrt(np.maximum(values, _FLOOR * values.mean()))
        return cls(shift, whitening, (means - shift) @ whitening)

    def of(self, x: Floats) -> NDArray[np.float64]:
        """Return the distances, float64 (n,), of embeddings, shape (n, D)."""
        z = (x - self.shift) @ self.whitening
        squares = (z**2).sum(axis=1, keepdims=True) - 2 * z @ self.centres.T
        squares += (self.centres**2).sum(axis=1)
        return np.asarray(np.sqrt(np.maximum(squares.min(axis=1), 0)), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """A distance with its threshold.

    Attributes
    ----------
    distance : Distance
        The distance to the nearest class mean.
    threshold : float
        Greater than 0; a picture whose distance is larger is of none of the classes.
    pictures : int
        Number of known pictures that set the threshold.
    method : str
        `HELD_OUT`: the distance was fitted without them, and of new pictures like them at most
        `REFUSED` are refused in the mean (and at least `REFUSED` − 1/(n + 1), without ties).
        `LEFT_OUT`: each was left out once. That is about as good, but no theorem says so.
    """

    distance: Distance
    threshold: float
    pictures: int
    method: str

    def of(self, x: Floats) -> NDArray[np.float64]:
        """Return distance over threshold, float64 (n,): above 1, a picture is of none of them."""
        return self.distance.of(x) / self.threshold


def threshold(distances: Floats, refused: float = REFUSED) -> float | None:
    """Return the split-conformal quantile: the ⌈(n + 1)(1 − refused)⌉-th smallest of n distances.

    For a new picture exchangeable with these n, the probability of a greater distance is at most
    `refused`, whatever the distribution. The result is None where n is too small for any such
    promise: n must be at least 1/refused − 1, which is 19 for a twentieth.

    Examples
    --------
    >>> threshold(np.arange(19.0)), threshold(np.arange(18.0))
    (18.0, None)
    """
    # Not the ceiling of a product: 20 · 0.95 must not become 19.000000000000004.
    rank = len(distances) + 1 - math.floor((len(distances) + 1) * refused + 1e-9)
    return None if rank > len(distances) else float(np.sort(distances)[rank - 1])


def calibrated(distance: Distance, distances: Floats, method: str) -> Novelty | None:
    """Return the novelty whose threshold the distances of known pictures set.

    The result is None where there are too few of them, or where the threshold would be 0.
    """
    limit = threshold(distances)
    if limit is None or not limit > 0:  # With equal pictures only, any other is infinitely new.
        return None
    return Novelty(distance, limit, len(distances), method)


def fit_novelty(
    x: Floats, y: NDArray[Any], held: NDArray[np.bool_], *, most_turns: int = TURNS
) -> Novelty | None:
    """Fit a distance on embeddings, and set its threshold.

    Where the held-out pictures are enough to set the threshold, the distance is fitted on all
    others. Otherwise it is fitted on all, and each picture of a class of two or more is left out
    once to set the threshold. The result is None where these are too few as well.

    Parameters
    ----------
    x : float array, shape (n, D)
        Embeddings.
    y : int array, shape (n,)
        Classes 0 … C − 1.
    held : bool array, shape (n,)
        Which pictures are held out. Each class must keep a picture; all may be False.
    most_turns : int
        Largest number of turns in which pictures are left out.
    """
    if held.any():
        distance = Distance.fit(x[~held], y[~held])
        novelty = calibrated(distance, distance.of(x[held]), HELD_OUT)
        if novelty is not None:
            return novelty
    turns = in_turn(y, most_turns)
    if threshold(np.zeros((turns >= 0).sum())) is None:
        return None
    distances = [
        Distance.fit(x[turns != turn], y[turns != turn]).of(x[turns == turn])
        for turn in range(int(turns.max()) + 1)
    ]
    return calibrated(Distance.fit(x, y), np.concatenate(distances), LEFT_OUT)


def in_turn(y: NDArray[Any], most: int = TURNS) -> NDArray[np.int64]:
    """Return the turn in which each picture is left out, shape (n,); there are at most `most`.

    It is −1 for a picture alone in its class, which cannot be left out. Beyond `most` pictures,
    several share a turn, but never all of a class, so that the others have all classes.

    Examples
    --------
    >>> in_turn(np.array([0, 0, 1, 2, 2])).tolist()
    [0, 1, -1, 2, 3]
    """
    turns = np.full(len(y), -1, np.int64)
    spared = np.flatnonzero(np.bincount(y)[y] > 1)
    turns[spared[np.argsort(y[spared], kind="stable")]] = np.arange(len(spared)) % most
    return turns
