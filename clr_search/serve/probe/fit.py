"""Fitting a linear probe: multinomial logistic regression on frozen embeddings.

A linear probe is the standard measure of a representation (SimCLR, section 4.2 and B.8): only a
linear classifier is trained, on h. The embeddings are centred and scaled by one number beforehand,
so that a penalty means the same for every encoder; both are folded into the coefficients later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.serve.probe.interval import wilson_interval
from clr_search.serve.probe.novelty import HELD_OUT, Novelty, fit_novelty
from clr_search.serve.probe.regression import ScaledRegression
from clr_search.serve.probe.temperature import calibration_error, crossed_error, fit_temperature

LEAST = 3
"""Least number of pictures a class: one is held out, and cross-validation needs two."""

EVERY = 5
"""One in so many pictures of each class, and at least one, is held out to measure accuracy."""

FOLDS = 3
"""Number of folds of the cross-validation; there are fewer where a class has fewer pictures."""

PENALTIES = tuple(10.0**power for power in range(1, -6, -1))
"""Values of λ to choose from, in mean loss + λ/2·‖w‖², strongest first; scikit-learn's C is
1/(λ·n)."""

SEARCHED = 10_000
"""Largest number of pictures that choose λ; the choice depends little on their number."""


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
        `novelty.HELD_OUT`, or `novelty.LEFT_OUT` where there are too few: each picture was held out
        once, in turn.
    accuracy : float or None
        Share in [0, 1] of held-out pictures that a probe fitted without them classifies correctly.
        The coefficients are fitted again on all pictures. The accuracy, its interval and both
        calibration errors are None where no class can spare a picture.
    interval : tuple of float, or None
        95 % confidence interval of the accuracy (Wilson).
    temperature : float
        Number that the logits are divided by, so that the probabilities are calibrated. It is
        fitted on the held-out pictures, is 1 where there are none, and is part of the coefficients.
    calibration_error : float or None
        Expected gap between probability and accuracy in [0, 1], on held-out pictures that the
        temperature was not fitted on.
    uncalibrated_error : float or None
        The calibration error without the temperature.
    confusion : int64 array, shape (C, C)
        Held-out pictures by true class (row) and predicted class (column).
    held_out : int
        Number of held-out pictures.
    fitted : int
        Number of pictures with a class, held-out ones among them.
    unlabelled : int
        Pictures left out because they have no label.
    left_out : tuple of (str, int)
        Classes left out because they have fewer than `LEAST` pictures, with that number.
    novelty : Novelty or None
        Measure of pictures of none of the classes; None where there are too few pictures for it.
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
    estimator: ScaledRegression = field(repr=False)


def fit_probe(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, seed: int = 0
) -> FittedProbe:
    """Fit and measure a linear probe.

    A fifth of each class is held out; λ is chosen on the rest by cross-validated log loss; the
    probe is fitted on that rest and measured on what was held out; then it is fitted on all with
    the same λ. Classes weigh the same, however many pictures they have.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Embeddings, finite.
    labels : sequence of str or None, length N
        Class of each picture; None or an empty string for unlabelled ones, which are left out, as
        are classes of fewer than `LEAST` pictures.
    seed : int
        Seed of the split and the folds.

    Returns
    -------
    FittedProbe
        The probe with its measures.

    Raises
    ------
    UsageError
        If fewer than two classes remain, or the arguments do not fit together.
    """
    check_fit_together(vectors, labels)
    counts = Counter(label for label in labels if label)
    classes = tuple(sorted(name for name, count in counts.items() if count >= LEAST))
    if len(classes) < 2:
        raise UsageError(_too_few(counts), REMEDY)
    numbers = {name: number for number, name in enumerate(classes)}
    chosen = [at for at, label in enumerate(labels) if label in numbers]
    x = vectors[chosen].astype(np.float64)
    y = np.array([numbers[labels[at] or ""] for at in chosen])
    generator = np.random.default_rng(seed)
    held = ranks(y, generator) % EVERY == 0
    penalty = best_penalty(x[~held], y[~held], generator)
    chances = ScaledRegression.fit(x[~held], y[~held], penalty).probabilities(x[held])
    return report(
        (x, y, classes),
        penalty,
        (chances, y[held], HELD_OUT),
        fit_novelty(x, y, held),
        unlabelled=len(labels) - sum(counts.values()),
        left_out=tuple(sorted((name, n) for name, n in counts.items() if n < LEAST)),
    )


def report(
    known: tuple[NDArray[np.float64], NDArray[Any], tuple[str, ...]],
    penalty: float,
    measured: tuple[NDArray[np.float64], NDArray[Any], str],
    novelty: Novelty | None,
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
    novelty, unlabelled, left_out
        Attributes of the result, which are passed on.
    """
    (x, y, classes), (chances, true, how) = known, measured
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (true, chances.argmax(axis=1)), 1)
    right, total = int(np.trace(confusion)), len(true)
    temperature = fit_temperature(chances, true) if total else 1.0
    final = replace(ScaledRegression.fit(x, y, penalty), temperature=temperature)
    coefficients, intercept = final.folded()
    return FittedProbe(
        classes=classes,
        coefficients=coefficients,
        intercept=intercept,
        C=1 / (penalty * len(x)),
        measured_by=how,
        accuracy=right / total if total else None,
        interval=wilson_interval(right, total) if total else None,
        temperature=temperature,
        calibration_error=crossed_error(chances, true) if total else None,
        uncalibrated_error=calibration_error(chances, true) if total else None,
        confusion=confusion,
        held_out=total,
        fitted=len(x),
        unlabelled=unlabelled,
        left_out=left_out,
        novelty=novelty,
        estimator=final,
    )


def check_fit_together(vectors: NDArray[np.float32], labels: Sequence[str | None]) -> None:
    """Raise UsageError unless there is one finite vector and one label a picture."""
    if vectors.ndim != 2 or len(vectors) != len(labels) or not np.isfinite(vectors).all():
        raise UsageError(
            f"A probe needs one finite vector and one label a picture, but got vectors of shape "
            f"{vectors.shape} and {len(labels)} labels."
        )


REMEDY = (
    "Sort pictures into one folder a class, or give labels with --labels labels.csv (columns path "
    "and label)."
)


def _too_few(counts: Counter[str]) -> str:
    """Return the message for fewer than two classes of `LEAST` pictures."""
    few = sum(count < LEAST for count in counts.values())
    found = f"are {len(counts)} classes" if len(counts) > 1 else "is one class only"
    note = f", {few} of them with fewer" if few and len(counts) > 1 else ""
    return (
        f"A probe needs two classes of at least {LEAST} pictures, but there "
        f"{found if counts else 'are no labels'}{note}."
    )


def ranks(y: NDArray[Any], generator: np.random.Generator) -> NDArray[np.int64]:
    """Number the members of each class from 0, in random order: shape (N,).

    Every `EVERY`-th of these numbers is held out, so that each class has a held-out picture. The
    splitters of scikit-learn may hold out none of a small class.

    Examples
    --------
    >>> ranks(np.array([0, 1, 0]), np.random.default_rng(0)).tolist() in ([0, 0, 1], [1, 0, 0])
    True
    """
    numbers = np.empty(len(y), np.int64)
    for label in np.unique(y):
        members = generator.permutation(np.flatnonzero(y == label))
        numbers[members] = np.arange(len(members))
    return numbers


def best_penalty(x: NDArray[np.float64], y: NDArray[Any], generator: np.random.Generator) -> float:
    """Return the one of `PENALTIES` with the least cross-validated log loss.

    Classes weigh the same, and each has two pictures or more. There are no more folds than the
    smallest class has pictures, so that every fold trains and tests on each class. Penalties are
    tried from the strongest on, and each fold starts from its last solution. The search ends when
    two penalties in a row are no better: weaker ones would take most of the time, and overfit.
    """
    from sklearn.model_selection import StratifiedKFold

    if len(x) > SEARCHED:
        rank = ranks(y, generator)
        sampled = (rank % -(-len(x) // SEARCHED) == 0) | (rank < 2)
        x, y = x[sampled], y[sampled]
    single = x.astype(np.float32)  # Twice as fast, and enough to tell powers of ten apart.
    count = min(FOLDS, int(np.bincount(y).min()))
    splitter = StratifiedKFold(count, shuffle=True, random_state=int(generator.integers(2**31)))
    folds = list(splitter.split(single, y))
    models: list[ScaledRegression | None] = [None] * count
    weights = 1 / np.bincount(y)[y]
    losses: list[float] = []
    for penalty in PENALTIES:
        loss = 0.0
        for fold, (train, test) in enumerate(folds):
            model = ScaledRegression.fit(single[train], y[train], penalty, start=models[fold])
            likelihood = model.probabilities(single[test])[np.arange(len(test)), y[test]]
            loss -= float((weights[test] * np.log(np.maximum(likelihood, 1e-12))).sum())
            models[fold] = model
        losses.append(loss)
        if len(losses) - 1 - int(np.argmin(losses)) >= 2:
            break
    return PENALTIES[int(np.argmin(losses))]
