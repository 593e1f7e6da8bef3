"""The learning curve: accuracy by the number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.evaluate.retrieval import knn_accuracy
from clr_search.serve.probe.few_shot import FEW, PENALTY
from clr_search.serve.probe.fit import EVERY, LEAST, best_penalty, check_fit_together, ranks
from clr_search.serve.probe.regression import ScaledRegression

STEPS = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of labels of each class that the accuracy is measured with."""

SEEDS = 5
"""Random draws of the labels: few labels give accuracies that differ from draw to draw."""


@dataclass(frozen=True, slots=True)
class Step:
    """The accuracies that are reached with a number of labels.

    Attributes
    ----------
    per_class : int or None
        The number of labels of each class; None for all pictures that were not held out.
    labels : int
        The number of labels of all classes together.
    probe, knn : tuple of float
        Accuracies on held-out pictures, in [0, 1], one for each seed.
    """

    per_class: int | None
    labels: int
    probe: tuple[float, ...]
    knn: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracies by the number of labels.

    Attributes
    ----------
    steps : list of Step
        The steps, the fewest labels first.
    chance : float
        Accuracy of guessing any class alike, 1/C.
    majority : float
        Share of the most frequent class, in [0, 1]: the accuracy of always guessing it.
    classes, held_out : int
        The numbers of classes, and of pictures that each accuracy is measured on.
    """

    steps: list[Step]
    chance: float
    majority: float
    classes: int
    held_out: int


def learning_curve(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, seeds: int = SEEDS
) -> Curve:
    """Measure the accuracy of the linear probe and the weighted kNN by the number of labels.

    For each seed, a fifth of each class is held out, and the labels are drawn from the rest; the
    labels of a step are among those of the next. The probe is fitted as `fit_shots` does it.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    labels : sequence of str or None, length N
        Class of each picture; those without one are left out, and so are classes of fewer than
        `LEAST`.
    seeds : int
        The number of random draws, at least 1.

    Returns
    -------
    Curve
        The accuracies of both classifiers at each step.

    Raises
    ------
    UsageError
        If fewer than two classes remain, or the arguments do not fit together.

    Examples
    --------
    >>> vectors = np.repeat(np.eye(2, dtype=np.float32), 10, axis=0)
    >>> curve = learning_curve(vectors, ["cat"] * 10 + ["dog"] * 10, seeds=1)
    >>> curve.chance, curve.held_out, curve.steps[0].labels, curve.steps[0].knn
    (0.5, 4, 2, (1.0,))
    """
    check_fit_together(vectors, labels)
    names, numbers = np.unique([label or "" for label in labels], return_inverse=True)
    large = (names != "") & (np.bincount(numbers) >= LEAST)
    if large.sum() < 2:
        raise UsageError(
            f"A learning curve needs two classes of at least {LEAST} pictures, but there "
            f"{'is one' if large.any() else 'are none'}.",
            "Sort pictures into one folder a class.",
        )
    chosen = large[numbers]
    x, y = vectors[chosen], np.unique(numbers[chosen], return_inverse=True)[1]
    sizes = np.bincount(y)
    spare = int((sizes - -(-sizes // EVERY)).min())  # labels to draw in the smallest class
    step_sizes: list[int | None] = [*(step for step in STEPS if step < spare), None]
    scores: dict[int | None, list[tuple[int, float, float]]] = {step: [] for step in step_sizes}
    held_out = 0
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        is_held_out = ranks(y, generator) % EVERY == 0
        a, b, held_out = x[~is_held_out], y[~is_held_out], int(is_held_out.sum())
        order = ranks(b, generator)
        for step in step_sizes:
            is_labelled = np.full(len(b), True) if step is None else order < step
            scores[step].append(
                _score(a[is_labelled], b[is_labelled], x[is_held_out], y[is_held_out], seed)
            )
    steps = [
        Step(step, rows[0][0], tuple(row[1] for row in rows), tuple(row[2] for row in rows))
        for step, rows in scores.items()
    ]
    return Curve(steps, 1 / len(sizes), float(sizes.max() / len(y)), len(sizes), held_out)


def _score(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    test: NDArray[np.float32],
    true: NDArray[np.int64],
    seed: int,
) -> tuple[int, float, float]:
    """Returns the number of labels, and the accuracies of the probe and the kNN."""
    few = np.bincount(y).min() < FEW
    wide = x.astype(np.float64)
    penalty = PENALTY if few else best_penalty(wide, y, np.random.default_rng(seed))
    probe = float((ScaledRegression.fit(wide, y, penalty).classify(test) == true).mean())
    return len(x), probe, knn_accuracy(x, y.astype(str), test, true.astype(str))  # type: ignore[arg-type]
