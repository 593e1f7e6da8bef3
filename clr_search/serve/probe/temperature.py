"""Temperature scaling calibrates probabilities, and the calibration error measures the result.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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
        return _log_loss(scaled(probabilities, temperature), y) + 0.5 * math.log(temperature) ** 2

    return min(map(float, _TEMPERATURES), key=loss)


def _log_loss(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> float:
    """Return the sum of −log p of the true classes."""
    likely = probabilities[np.arange(len(y)), y]
    return -float(np.log(np.maximum(likely, _FLOOR)).sum())


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
    return calibration_error(_crossed(probabilities, y), y)


def _crossed(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities that are scaled by temperatures that they were not fitted on."""
    halves = [np.arange(len(y)) % 2 == remainder for remainder in (0, 1)]
    calibrated = probabilities.astype(np.float64)
    if all(half.any() for half in halves):
        for half in halves:
            temperature = fit_temperature(probabilities[~half], y[~half])
            calibrated[half] = scaled(probabilities[half], temperature)
    return calibrated


@dataclass(frozen=True, slots=True)
class Calibration:
    """The temperature that is applied, and what it does to the calibration error.

    Attributes
    ----------
    temperature : float
        The temperature; 1 where another would make probabilities worse.
    error : float
        Calibration error, in [0, 1], with the temperature, on pictures it was not fitted on.
    uncalibrated : float
        Calibration error without it.
    """

    temperature: float
    error: float
    uncalibrated: float


def calibrate(probabilities: NDArray[np.floating[Any]], y: NDArray[Any]) -> Calibration:
    """Fit a temperature, and apply it only where it makes probabilities of other pictures better.

    It has to lower the calibration error, and must not raise the log loss, of each half of the
    pictures when it is fitted on the other half. The arguments are those of `calibration_error`.

    Examples
    --------
    Probabilities that are right already stay as they are:

    >>> calibrate(np.array([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1])).temperature
    1.0
    """
    before, scaled_others = calibration_error(probabilities, y), _crossed(probabilities, y)
    after = calibration_error(scaled_others, y)
    if after < before and _log_loss(scaled_others, y) <= _log_loss(probabilities, y):
        return Calibration(fit_temperature(probabilities, y), after, before)
    return Calibration(1.0, before, before)
