"""`FittedProbe`: a classifier of embeddings, with the measures of its quality."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.serve.probe.interval import crossed_interval, wilson_interval
from clr_search.serve.probe.novelty import HELD_OUT, Novelty
from clr_search.serve.probe.regression import ScaledRegression
from clr_search.serve.probe.strangers import Strangers
from clr_search.serve.probe.temperature import calibrate

CROSSED = "cross-validation"
"""How pictures are spared to measure a probe: each once, with a fifth of the others."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedProbe:
    """A linear classifier of embeddings, with the measures of its quality.

    Attributes
    ----------
    classes : tuple of str
        C names, sorted.
    coefficients, intercept : float32 arrays, shapes (C, D) and (C,)
        The probabilities of a unit vector h are softmax(coefficients · h + intercept).
    C : float
        Inverse regularisation strength of scikit-learn, chosen by cross-validation.
    measured_by : str
        How pictures were spared to measure: `CROSSED`, each once by cross-validation;
        `novelty.LEFT_OUT`, each alone in its turn; or `novelty.HELD_OUT`, a fifth of many.
    accuracy : float or None
        Share in [0, 1] of spared pictures that a probe fitted without them classifies correctly.
        The coefficients are fitted again on all pictures. The accuracy, its interval, the majority
        and both calibration errors are None where no class can spare a picture.
    interval : tuple of float, or None
        95 % confidence interval of the accuracy; see `interval`.
    temperature : float
        Number that the logits are divided by, so that the probabilities are calibrated. It is
        fitted on the spared pictures, and is part of the coefficients. It is 1 where there are
        none, and where it would make the probabilities of other pictures worse.
    calibration_error : float or None
        Expected gap between probability and accuracy in [0, 1], on spared pictures that the
        temperature was not fitted on.
    uncalibrated_error : float or None
        The calibration error without the temperature.
    confusion : int64 array, shape (C, C)
        Spared pictures by true class (row) and predicted class (column).
    held_out : int
        Number of spared pictures.
    fitted : int
        Number of pictures with a class, held-out ones among them.
    unlabelled : int
        Pictures left out because they have no label.
    left_out : tuple of (str, int)
        Classes left out because they have fewer than `LEAST` pictures, with that number.
    novelty : Novelty or None
        Measure of pictures of none of the classes; None where there are too few pictures for it.
    strangers : Strangers or None
        How many pictures of other classes the novelty catches, by an estimate; None without one.
    estimator : ScaledRegression
        The regression that the coefficients come from, to check a saved probe against.
    """

    classes: tuple[str, ...]
    coefficients: NDArray[np.float32] = field(repr=False)
    intercept: NDArray[np.float32] = field(repr=False)
    C: float
    measured_by: str
    accuracy: float | None
    interval: tuple[float, float] | None
    temperature: float
    calibration_error: float | None
    uncalibrated_error: float | None
    confusion: NDArray[np.int64] = field(repr=False)
    held_out: int
    fitted: int
    unlabelled: int
    left_out: tuple[tuple[str, int], ...]
    novelty: Novelty | None = field(repr=False)
    strangers: Strangers | None
    estimator: ScaledRegression = field(repr=False)

    @property
    def chance(self) -> float:
        """Accuracy, in [0, 1], of guessing any class alike: 1/C."""
        return 1 / len(self.classes)

    @property
    def majority(self) -> float | None:
        """Accuracy, in [0, 1], of always guessing the most frequent class of the pictures."""
        counts = self.confusion.sum(axis=1)
        return float(counts.max() / counts.sum()) if self.held_out else None


def report(
    known: tuple[NDArray[np.float64], NDArray[Any], tuple[str, ...]],
    penalty: float,
    measured: tuple[NDArray[np.float64], NDArray[Any], str],
    nowhere: tuple[Novelty | None, Strangers | None],
    *,
    unlabelled: int,
    left_out: tuple[tuple[str, int], ...] = (),
) -> FittedProbe:
    """Fit the probe on all pictures, and report the measures from pictures that were held out.

    Parameters
    ----------
    known : tuple of float64 array (n, D), int array (n,), tuple of str
        Embeddings, classes, and the classes' names.
    penalty : float
        λ.
    measured : tuple of float64 array (m, C), int array (m,), str
        Probabilities of pictures not fitted on, their classes, and how they were spared; m ≥ 0.
    nowhere : tuple of (Novelty or None, Strangers or None)
        Attributes `novelty` and `strangers` of the result.
    unlabelled, left_out
        Attributes of the result, which are passed on.
    """
    (x, y, classes), (chances, true, how) = known, measured
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (true, chances.argmax(axis=1)), 1)
    right, total = int(np.trace(confusion)), len(true)
    interval = wilson_interval if how == HELD_OUT else crossed_interval
    calibration = calibrate(chances, true) if total else None
    temperature = calibration.temperature if calibration else 1.0
    final = replace(ScaledRegression.fit(x, y, penalty), temperature=temperature)
    coefficients, intercept = final.folded()
    return FittedProbe(
        classes=classes,
        coefficients=coefficients,
        intercept=intercept,
        C=1 / (penalty * len(x)),
        measured_by=how,
        accuracy=right / total if total else None,
        interval=interval(right, total) if total else None,
        temperature=temperature,
        calibration_error=calibration.error if calibration else None,
        uncalibrated_error=calibration.uncalibrated if calibration else None,
        confusion=confusion,
        held_out=total,
        fitted=len(x),
        unlabelled=unlabelled,
        left_out=left_out,
        novelty=nowhere[0],
        strangers=nowhere[1],
        estimator=final,
    )
