"""The learning curve: how accuracy grows with the number of labels."""

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
"""Labels of each class."""

SEEDS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """A number of labels, and the accuracies it brought.

    Attributes
    ----------
    per_class : int or None
        Labels of each class; None for all that were not held out.
    labels : int
        Labels of all classes together.
    probe, knn : tuple of float
        Accuracy on held-out pictures in [0, 1], one a seed.
    """

    per_class: int | None
    labels: int
    probe: tuple[float, ...]
    knn: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """Accuracy by number of labels.

    Attributes
    ----------
    steps : list of Step
        The fewest labels first.
    chance : float
        Share of the most frequent class: the accuracy of a guess that never looks.
    classes, held_out : int
        Numbers of classes, and of pictures that each accuracy is measured on.
    """

    steps: list[Step]
    chance: float
    classes: int
    held_out: int


def learning_curve(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, seeds: int = SEEDS
) -> Curve:
    """Accuracy of the linear probe and of the weighted kNN, by labels a class.

    For each seed, a fifth of each class is held out, and the labels are drawn from the rest, those
    of a step being among those of the next. The probe is as `fit_shots` would fit it.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    labels : sequence of str or None, length N
        Class of each picture; those without one are left out, and so are classes of fewer than
        `LEAST`.
    seeds : int
        How many draws.

    Raises
    ------
    UsageError
        If fewer than two classes remain, or the arguments do not fit together.
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
    spare = int((sizes - -(-sizes // EVERY)).min())  # of the smallest class, none held out
    taken: list[int | None] = [*(step for step in STEPS if step < spare), None]
    scores: dict[int | None, list[tuple[int, float, float]]] = {step: [] for step in taken}
    held_out = 0
    for seed in range(seeds):
        generator = np.random.default_rng(seed)
        held = ranks(y, generator) % EVERY == 0
        a, b, held_out = x[~held], y[~held], int(held.sum())
        order = ranks(b, generator)
        for step in taken:
            kept = np.full(len(b), True) if step is None else order < step
            scores[step].append(_score(a[kept], b[kept], x[held], y[held], seed))
    steps = [
        Step(step, rows[0][0], tuple(row[1] for row in rows), tuple(row[2] for row in rows))
        for step, rows in scores.items()
    ]
    return Curve(steps, float(sizes.max() / len(y)), len(sizes), held_out)


def _score(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    test: NDArray[np.float32],
    true: NDArray[np.int64],
    seed: int,
) -> tuple[int, float, float]:
    """Number of labels, and the accuracies of probe and kNN."""
    few = np.bincount(y).min() < FEW
    wide = x.astype(np.float64)
    penalty = PENALTY if few else best_penalty(wide, y, np.random.default_rng(seed))
    probe = float((ScaledRegression.fit(wide, y, penalty).classify(test) == true).mean())
    return len(x), probe, knn_accuracy(x, y.astype(str), test, true.astype(str))  # type: ignore[arg-type]
