"""Probabilities that mean what they say: temperature scaling, and how far off they are.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Equal steps of confidence, as in the paper."""

_FLOOR = 1e-12
_TEMPERATURES = np.exp(np.linspace(-3, 3, 241))  # in steps of 2.5 %, finer than data can tell


def scaled(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """Probabilities, shape (n, C), whose logits are divided by a temperature."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _FLOOR)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def fit_temperature(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """The temperature under which the true classes are most likely, in [0.05, 20].

    With a prior worth one picture that it is about 1: few pictures, all classified rightly, would
    otherwise call for certainty.

    Parameters
    ----------
    probabilities : float array, shape (n, C)
        Of pictures that were not fitted on.
    y : int array, shape (n,)
        Their true classes.
    """

    def loss(temperature: float) -> float:
        likely = scaled(probabilities, temperature)[np.arange(len(y)), y]
        return -float(np.log(np.maximum(likely, _FLOOR)).sum()) + 0.5 * math.log(temperature) ** 2

    return min(map(float, _TEMPERATURES), key=loss)


def calibration_error(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Expected calibration error in [0, 1]: mean gap between confidence and accuracy.

    Parameters
    ----------
    probabilities : float array, shape (n, C)
    y : int array, shape (n,)
        True classes.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = [
        abs(float(confidence[bins == one].sum() - right[bins == one].sum()))
        for one in np.unique(bins)
    ]
    return sum(gaps) / len(y)


def crossed_error(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Calibration error after temperature scaling, the temperature fitted on the other half."""
    parts = [np.arange(len(y)) % 2 == part for part in (0, 1)]
    if not all(part.any() for part in parts):
        return calibration_error(probabilities, y)
    after = probabilities.astype(np.float64)
    for part in parts:
        temperature = fit_temperature(probabilities[~part], y[~part])
        after[part] = scaled(probabilities[part], temperature)
    return calibration_error(after, y)
