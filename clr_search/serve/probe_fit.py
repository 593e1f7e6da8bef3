"""The linear probe: multinomial logistic regression on frozen embeddings, measured and fitted.

The standard measure of a representation (SimCLR, section 4.2 and B.8): only a linear classifier is
trained, on h. The embeddings are centred and scaled by one number beforehand, so that a grid of
penalties means the same whatever the encoder; both are folded into the coefficients afterwards.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.serve.calibrate import (
    calibration_error,
    crossed_error,
    fit_temperature,
    scaled,
)
from clr_search.serve.metrics import wilson_interval

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

LEAST = 3
"""Pictures a class must have: one is held out, two are needed to cross-validate."""

EVERY = 5
"""One of so many pictures of each class is held out to measure accuracy; at least one."""

FOLDS = 3

PENALTIES = tuple(10.0**power for power in range(1, -6, -1))
"""λ in mean loss + λ/2·‖w‖², strongest first; scikit-learn's C is 1/(λ·n)."""

SEARCHED = 10_000
"""Pictures that the choice of λ looks at, at most; it depends little on their number."""


@dataclass(frozen=True, slots=True, eq=False)
class ScaledRegression:
    """Logistic regression of centred and scaled embeddings, its logits divided by a temperature."""

    mean: NDArray[np.floating[Any]]
    scale: float
    model: LogisticRegression
    temperature: float = 1.0

    @classmethod
    def fit(
        cls,
        x: NDArray[np.floating[Any]],
        y: NDArray[Any],
        penalty: float,
        *,
        start: ScaledRegression | None = None,
    ) -> ScaledRegression:
        """Fit, from the solution `start` of the same data with another penalty if given."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        mean = x.mean(axis=0)
        # One number for all features, since their relative sizes are part of the representation.
        scale = float(np.sqrt(((x - mean) ** 2).mean())) or 1.0
        if start is None:
            model = LogisticRegression(class_weight="balanced", max_iter=300, warm_start=True)
        else:
            model = start.model
        model.set_params(C=1 / (penalty * len(x)))
        # The products are small: a second thread gains little on an idle machine, and on a busy one
        # waiting for it made a fit of 20 ms an iteration take a second.
        with threadpool_limits(limits=1, user_api="blas"), warnings.catch_warnings():
            # At the weakest penalties the loss is flat; where it stops is measured like the rest.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((x - mean) / scale, y)
        return cls(mean, scale, model)

    def probabilities(self, x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Class probabilities, shape (n, C)."""
        result: NDArray[np.float64] = self.model.predict_proba((x - self.mean) / self.scale)
        return result if self.temperature == 1 else scaled(result, self.temperature)

    def classify(self, x: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Most probable class, shape (n,)."""
        best: NDArray[np.int64] = np.argmax(self.probabilities(x), axis=1)
        return best

    def folded(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Coefficients (C, D) and intercept (C,) for softmax on embeddings as they are."""
        weights, bias = self.model.coef_ / self.scale, self.model.intercept_
        bias = bias - weights @ self.mean
        if len(weights) == 1:  # two classes: scikit-learn keeps one row, for a sigmoid
            weights = np.concatenate([-weights, weights]) / 2
            bias = np.concatenate([-bias, bias]) / 2
        weights, bias = weights / self.temperature, bias / self.temperature
        return weights.astype(np.float32), bias.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class FittedProbe:
    """A linear classifier of embeddings, and how good it is.

    Attributes
    ----------
    classes : tuple of str
        C names, sorted.
    coefficients : float32 array, shape (C, D)
    intercept : float32 array, shape (C,)
        Probabilities of a unit vector h are softmax(coefficients · h + intercept).
    C : float
        Inverse regularisation strength of scikit-learn, chosen by cross-validation.
    accuracy : float
        Share of held-out pictures classified rightly, in [0, 1], by a probe that was fitted without
        them. The coefficients are fitted again on all pictures.
    interval : tuple of float
        Its 95 % confidence interval (Wilson).
    temperature : float
        Which the logits are divided by, so that the probabilities mean what they say: fitted on the
        held-out pictures. It is in the coefficients.
    calibration_error : float
        Expected gap between probability and accuracy in [0, 1], on held-out pictures that the
        temperature was not fitted on.
    uncalibrated_error : float
        The same without the temperature.
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
    estimator : ScaledRegression
        What the coefficients were taken from, for comparison.
    """

    classes: tuple[str, ...]
    coefficients: NDArray[np.float32] = field(repr=False)
    intercept: NDArray[np.float32] = field(repr=False)
    C: float
    accuracy: float
    interval: tuple[float, float]
    temperature: float
    calibration_error: float
    uncalibrated_error: float
    confusion: NDArray[np.int64] = field(repr=False)
    held_out: int
    fitted: int
    unlabelled: int
    left_out: tuple[tuple[str, int], ...]
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

    Raises
    ------
    UsageError
        If fewer than two classes remain, or the arguments do not fit together.
    """
    if vectors.ndim != 2 or len(vectors) != len(labels) or not np.isfinite(vectors).all():
        raise UsageError(
            f"A probe needs one finite vector and one label a picture, but got vectors of shape "
            f"{vectors.shape} and {len(labels)} labels."
        )
    counts = Counter(label for label in labels if label)
    classes = tuple(sorted(name for name, count in counts.items() if count >= LEAST))
    if len(classes) < 2:
        raise UsageError(_too_few(counts), _REMEDY)
    numbers = {name: number for number, name in enumerate(classes)}
    chosen = [at for at, label in enumerate(labels) if label in numbers]
    x = vectors[chosen].astype(np.float64)
    y = np.array([numbers[labels[at] or ""] for at in chosen])
    generator = np.random.default_rng(seed)
    held = _ranks(y, generator) % EVERY == 0
    penalty = _best_penalty(x[~held], y[~held], generator)
    chances = ScaledRegression.fit(x[~held], y[~held], penalty).probabilities(x[held])
    predicted, temperature = chances.argmax(axis=1), fit_temperature(chances, y[held])
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (y[held], predicted), 1)
    right, total = int(np.trace(confusion)), int(held.sum())
    final = replace(ScaledRegression.fit(x, y, penalty), temperature=temperature)
    coefficients, intercept = final.folded()
    return FittedProbe(
        classes=classes,
        coefficients=coefficients,
        intercept=intercept,
        C=1 / (penalty * len(x)),
        accuracy=right / total,
        interval=wilson_interval(right, total),
        temperature=temperature,
        calibration_error=crossed_error(chances, y[held]),
        uncalibrated_error=calibration_error(chances, y[held]),
        confusion=confusion,
        held_out=total,
        fitted=len(x),
        unlabelled=len(labels) - sum(counts.values()),
        left_out=tuple(sorted((name, n) for name, n in counts.items() if n < LEAST)),
        estimator=final,
    )


_REMEDY = (
    "Sort pictures into one folder a class, or give labels with --labels labels.csv (columns path "
    "and label)."
)


def _too_few(counts: Counter[str]) -> str:
    few = sum(count < LEAST for count in counts.values())
    found = f"are {len(counts)} classes" if len(counts) > 1 else "is one class only"
    note = f", {few} of them with fewer" if few and len(counts) > 1 else ""
    return (
        f"A probe needs two classes of at least {LEAST} pictures, but there "
        f"{found if counts else 'are no labels'}{note}."
    )


def _ranks(y: NDArray[Any], generator: np.random.Generator) -> NDArray[np.int64]:
    """Number the members of each class from 0, in random order: shape (N,)."""
    ranks = np.empty(len(y), np.int64)
    for one in np.unique(y):
        members = generator.permutation(np.flatnonzero(y == one))
        ranks[members] = np.arange(len(members))
    return ranks


def _best_penalty(x: NDArray[np.float64], y: NDArray[Any], generator: np.random.Generator) -> float:
    """Of `PENALTIES`, that with the least cross-validated log loss, classes weighing the same.

    Each class has two members or more here, and so is in the training part of every fold.
    From the strongest on, each fold starting from its last solution, until the loss has risen twice
    in a row: weaker ones would take most of the time, and overfit further.
    """
    if len(x) > SEARCHED:
        ranks = _ranks(y, generator)
        kept = (ranks % -(-len(x) // SEARCHED) == 0) | (ranks < 2)
        x, y = x[kept], y[kept]
    single = x.astype(np.float32)  # twice as fast, and enough to tell powers of ten apart
    folds = _ranks(y, generator) % FOLDS
    tests = [folds == fold for fold in np.unique(folds)]
    models: list[ScaledRegression | None] = [None] * len(tests)
    weights = 1 / np.bincount(y)[y]
    losses: list[float] = []
    for penalty in PENALTIES:
        loss = 0.0
        for fold, test in enumerate(tests):
            model = ScaledRegression.fit(single[~test], y[~test], penalty, start=models[fold])
            likelihood = model.probabilities(single[test])[np.arange(test.sum()), y[test]]
            loss -= float((weights[test] * np.log(np.maximum(likelihood, 1e-12))).sum())
            models[fold] = model
        losses.append(loss)
        if len(losses) - 1 - int(np.argmin(losses)) >= 2:
            break
    return PENALTIES[int(np.argmin(losses))]
