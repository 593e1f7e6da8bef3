"""Temperature scaling calibrates probabilities, and the calibration error measures the result.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Number of equal intervals of confidence in the calibration error, as in the paper."""

_FLOOR = 1e-12  # Least probability whose logarithm is taken, so that it stays finite.
_TEMPERATURES = np.exp(np.linspace(-3, 3, 241))  # Steps of 2.5 %, finer than data can tell apart.


def scaled(probabilities: NDArray[np.floating[Any]], temperature: float) -> NDArray[np.float64]:
    """Divide the logits of probabilities by a temperature.

    Parameters
    ----------
    probabilities : float array, shape (n, C)
        Rows sum to 1.
    temperature : float
        Greater than 0; above 1 makes the probabilities more even.

    Returns
    -------
    float64 array, shape (n, C)
        Rows sum to 1.

    Examples
    --------
    >>> scaled(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _FLOOR)) / temperature
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def fit_temperature(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Return the temperature in [0.05, 20] under which the true classes are most likely.

    A prior that is worth about one picture pulls it towards 1. Without it, a few pictures that are
    all classified correctly would make every probability certain.

    Parameters
    ----------
    probabilities : float array, shape (n, C)
        Class probabilities of pictures that the classifier was not fitted on.
    y : int array, shape (n,)
        Their true classes.

    Examples
    --------
    Probabilities that are too certain call for a temperature above 1:

    >>> fit_temperature(np.array([[0.99, 0.01]] * 4), np.array([0, 0, 0, 1])) > 1
    True
    """

    def loss(temperature: float) -> float:
        likely = scaled(probabilities, temperature)[np.arange(len(y)), y]
        return -float(np.log(np.maximum(likely, _FLOOR)).sum()) + 0.5 * math.log(temperature) ** 2

    return min(map(float, _TEMPERATURES), key=loss)


def calibration_error(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Return the expected calibration error: the mean gap in [0, 1] of confidence and accuracy.

    Parameters
    ----------
    probabilities : float array, shape (n, C)
        Class probabilities.
    y : int array, shape (n,)
        True classes.

    Examples
    --------
    >>> calibration_error(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1]))
    0.0
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = [
        abs(float(confidence[bins == one].sum() - right[bins == one].sum()))
        for one in np.unique(bins)
    ]
    return sum(gaps) / len(y)


def crossed_error(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Return the calibration error after scaling; each half's temperature is fitted on the other.

    Arguments and result are those of `calibration_error`; a single picture is not scaled.
    """
    halves = [np.arange(len(y)) % 2 == remainder for remainder in (0, 1)]
    if not all(half.any() for half in halves):
        return calibration_error(probabilities, y)
    calibrated = probabilities.astype(np.float64)
    for half in halves:
        temperature = fit_temperature(probabilities[~half], y[~half])
        calibrated[half] = scaled(probabilities[half], temperature)
    return calibration_error(calibrated, y)
