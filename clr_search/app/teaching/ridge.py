"""Ridge regression to classes, in closed form: a classifier within milliseconds of each label.

Each class has its target, 1 for its pictures and 0 for others (Rifkin et al., Regularized
least-squares classification, 2003). Classes weigh the same, however many pictures they have. The
result of leaving out each picture in turn is known without another fit (Allen's PRESS, 1974), and
so are the accuracy, the confusions, and the strength of the penalty that is best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRENGTHS = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Penalties that are tried, relative to the mean variance in a direction, weakest first."""

_STEEPEST = 64.0  # largest factor of scores before the softmax
_CALIBRATED = 1000  # pictures that choose that factor

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Ridge:
    """A fitted classifier of embeddings.

    Attributes
    ----------
    weights, bias : float32 arrays, shapes (D, C) and (C,)
        The probabilities of h are softmax(steepness · (h · weights + bias)).
    steepness : float
        Factor under which the true classes of pictures that were left out are most likely.
    left_out : float32 array, shape (n, C)
        The probabilities of each picture by the classifier that was fitted without it.
    """

    weights: Floats
    bias: Floats
    steepness: float
    left_out: Floats

    def probabilities(self, x: Floats) -> Floats:
        """Return the class probabilities, float32 (n, C), of embeddings, shape (n, D)."""
        return softmax(x @ self.weights + self.bias, self.steepness)


def fit_ridge(x: Floats, y: NDArray[np.int64]) -> Ridge:
    """Fit embeddings, shape (n, D), to their classes 0 … C − 1, each of which has a picture.

    Examples
    --------
    >>> x = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], np.float32)
    >>> ridge = fit_ridge(x, np.array([0, 0, 1, 1]))
    >>> ridge.probabilities(x).argmax(axis=1).tolist(), ridge.left_out.argmax(axis=1).tolist()
    ([0, 0, 1, 1], [0, 0, 1, 1])
    """
    counts = np.bincount(y)
    weights = (1 / (len(counts) * counts))[y]  # the sum is 1
    targets = np.eye(len(counts))[y]
    mean, middle = weights @ x.astype(np.float64), weights @ targets
    root = np.sqrt(weights)[:, None]
    # Rows times the root of their weight, so that the weighted problem is a plain one.
    left, spectrum, right = _spectrum(((x - mean) * root).astype(np.float64))
    across = left.T @ ((targets - middle) * root)
    best: tuple[float, NDArray[np.float64], NDArray[np.float64]] | None = None
    for strength in STRENGTHS:
        penalty = strength * max(float(spectrum.sum()) / x.shape[1], 1e-12)
        shrunk = spectrum / (spectrum + penalty)
        fitted = left @ (shrunk[:, None] * across) / root + middle
        # What a picture adds to its own score; the mean, which it is part of, is not penalised.
        own = np.minimum((left**2) @ shrunk + weights, 1 - 1e-6)[:, None]
        spared = (fitted - own * targets) / (1 - own)
        loss = float(weights @ ((spared - targets) ** 2).sum(axis=1))
        if best is None or loss < best[0]:
            solution = right @ ((np.sqrt(spectrum) / (spectrum + penalty))[:, None] * across)
            best = loss, solution, spared
    assert best is not None, "there are strengths"
    _, solution, spared = best
    steepness = _steepness(spared, y)
    return Ridge(
        solution.astype(np.float32),
        (middle - mean @ solution).astype(np.float32),
        steepness,
        softmax(spared.astype(np.float32), steepness),
    )


def _spectrum(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return U (n, r), the squares of S (r,) and V (D, r) of rows = U·S·Vᵀ, by the smaller side."""
    wide = rows.shape[0] < rows.shape[1]
    squares, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = squares > max(float(squares[-1]), 1e-12) * 1e-9
    squares, vectors = squares[kept], vectors[:, kept]
    others = (rows.T if wide else rows) @ vectors / np.sqrt(squares)
    return (vectors, squares, others) if wide else (others, squares, vectors)


def _steepness(scores: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """Return the factor under which the true classes are most likely, by a search of thirds.

    A prior that is worth about one picture keeps it moderate where all are right.
    """
    step = -(-len(y) // _CALIBRATED)
    some, true = scores[::step].astype(np.float32), y[::step]

    def loss(logarithm: float) -> float:
        likely = softmax(some, float(np.exp(logarithm)))[np.arange(len(true)), true]
        return -float(np.log(np.maximum(likely, 1e-9)).sum()) + 0.5 * (logarithm - 1.5) ** 2

    low, high = 0.0, float(np.log(_STEEPEST))
    for _ in range(12):
        first, second = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, second) if loss(first) < loss(second) else (first, high)
    return float(np.exp((low + high) / 2))


def softmax(scores: Floats, steepness: float = 1.0) -> Floats:
    """Return probabilities, float32 (n, C), of scores times a factor."""
    powers = scores * np.float32(steepness)
    powers -= powers.max(axis=1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(axis=1, keepdims=True)
    return powers
