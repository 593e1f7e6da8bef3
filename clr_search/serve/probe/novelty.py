"""None of these: how far a picture is from every class, and how far is too far.

The distance is Mahalanobis' to the nearest class mean, under the covariance that the classes share
(Lee et al., A Simple Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018),
shrunk as by Ledoit and Wolf (2004), so that few pictures suffice. `bench/unknown.py` compares it
with others. Too far is told by split conformal prediction (Vovk et al. 2005; Lei et al. 2018):
beyond nearly all known pictures that the distance was not fitted on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

REFUSED = 0.05
"""Share of known pictures that may be refused, at most in the mean."""

HELD_OUT, LEFT_OUT = "held out", "leave one out"
"""Where the distances come from that the threshold is set by."""

TURNS = 100
"""Fits at most, to leave each picture out once."""

_FLOOR = 1e-3  # least eigenvalue, of the mean one: runtimes differ by 1e-4, which is divided by it

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Distance:
    """To the nearest class mean: |(x − shift)·whitening − centre|.

    Attributes
    ----------
    shift : float64 array, shape (D,)
    whitening : float64 array, shape (D, D)
    centres : float64 array, shape (C, D)
        Class means, shifted and whitened.
    """

    shift: NDArray[np.float64]
    whitening: NDArray[np.float64]
    centres: NDArray[np.float64]

    @classmethod
    def fit(cls, x: Floats, y: NDArray[Any]) -> Distance:
        """Of embeddings, shape (n, D), and their classes 0 … C − 1, each with one or more.

        Where no class has two pictures, nothing is known of how classes spread, and the distance is
        Euclid's.
        """
        from sklearn.covariance import ledoit_wolf

        x = x.astype(np.float64)
        means = np.stack([x[y == one].mean(axis=0) for one in range(int(y.max()) + 1)])
        shift = means.mean(axis=0)
        inner = (x - means[y])[np.bincount(y)[y] > 1]  # one alone has no spread
        if not np.abs(inner).max(initial=0.0) > 1e-9:
            whitening = np.eye(x.shape[1])
        else:
            covariance = ledoit_wolf(inner, assume_centered=True)[0]
            values, vectors = np.linalg.eigh(covariance)
            whitening = vectors / np.sqrt(np.maximum(values, _FLOOR * values.mean()))
        return cls(shift, whitening, (means - shift) @ whitening)

    def of(self, x: Floats) -> NDArray[np.float64]:
        """Distances of embeddings, shape (n,)."""
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
    threshold : float
        A picture farther than this is of none of the classes; greater than 0.
    pictures : int
        How many known ones it was set by.
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
        """Distance over threshold, shape (n,): above 1, it is none of these."""
        return self.distance.of(x) / self.threshold


def threshold(distances: Floats, refused: float = REFUSED) -> float | None:
    """Split-conformal quantile: the ⌈(n + 1)(1 − refused)⌉-th smallest of n distances.

    For a new picture exchangeable with these n, the probability of a greater distance is at most
    `refused`, whatever the distribution. None where n is too small for any such promise: n must be
    at least 1/refused − 1, 19 for a twentieth.
    """
    # Not the ceiling of a product: 20 · 0.95 must not become 19.000000000000004.
    rank = len(distances) + 1 - math.floor((len(distances) + 1) * refused + 1e-9)
    return None if rank > len(distances) else float(np.sort(distances)[rank - 1])


def calibrated(distance: Distance, distances: Floats, method: str) -> Novelty | None:
    """The distance with the threshold that those of known pictures set; None where they cannot."""
    found = threshold(distances)
    if found is None or not found > 0:  # equal pictures only: any other would be infinitely new
        return None
    return Novelty(distance, found, len(distances), method)


def fit_novelty(x: Floats, y: NDArray[Any], held: NDArray[np.bool_]) -> Novelty | None:
    """A distance fitted on embeddings, with its threshold.

    On all but the held-out ones, which set the threshold, where these are enough; otherwise on all,
    each picture of a class of two or more being left out once. None where these are too few too.

    Parameters
    ----------
    x : float array, shape (n, D)
    y : int array, shape (n,)
        Classes 0 … C − 1.
    held : bool array, shape (n,)
        Each class has a picture that is not among them; none at all is fine.
    """
    if held.any():
        distance = Distance.fit(x[~held], y[~held])
        found = calibrated(distance, distance.of(x[held]), HELD_OUT)
        if found is not None:
            return found
    turns = in_turn(y)
    if threshold(np.zeros((turns >= 0).sum())) is None:
        return None
    left = [
        Distance.fit(x[turns != turn], y[turns != turn]).of(x[turns == turn])
        for turn in range(int(turns.max()) + 1)
    ]
    return calibrated(Distance.fit(x, y), np.concatenate(left), LEFT_OUT)


def in_turn(y: NDArray[Any]) -> NDArray[np.int64]:
    """When each picture is left out, shape (n,): each in its own turn, up to `TURNS` turns.

    −1 for one alone in its class, which cannot be spared. What is left has all classes: beyond
    `TURNS` pictures several share a turn, but never all of a class.
    """
    turns = np.full(len(y), -1, np.int64)
    spared = np.flatnonzero(np.bincount(y)[y] > 1)
    turns[spared[np.argsort(y[spared], kind="stable")]] = np.arange(len(spared)) % TURNS
    return turns
