"""A few-shot probe has a handful of pictures a class: too few to hold out, or to choose a penalty.

It is the same logistic regression, with a fixed penalty: in `bench/few_shot.py` no other penalty,
nor the nearest class mean, was better by more than the draws differ. Each picture is left out in
its turn, instead of a fifth of all being held out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.serve.probe.fit import REMEDY, FittedProbe, check_fit_together, fit_probe, report
from clr_search.serve.probe.novelty import LEFT_OUT, fit_novelty, in_turn
from clr_search.serve.probe.regression import ScaledRegression

FEW = 10
"""Pictures a class from which a fifth is held out; below, each picture is left out in turn."""

PENALTY = 1.0
"""λ, the strength of the penalty: the middle of a wide range that measures equally well."""


def fit_shots(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, seed: int = 0
) -> FittedProbe:
    """Fit and measure a probe of every class there is, however small.

    Where each class has `FEW` pictures, the result is that of `fit_probe`. Otherwise λ is
    `PENALTY`; accuracy, temperature and the threshold of novelty come from leaving out, in its
    turn, each picture of a class of two or more. A picture alone in its class is fitted, but never
    measured: with one picture a class, the accuracy is unknown, and the probabilities are not
    calibrated. The threshold needs 19 pictures that can be left out.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Embeddings, finite.
    labels : sequence of str or None, length N
        Class of each picture; pictures without one are left out.
    seed : int
        Seed that `fit_probe` uses.

    Returns
    -------
    FittedProbe
        The probe with its measures.

    Raises
    ------
    UsageError
        If there are fewer than two classes, or the arguments do not fit together.
    """
    check_fit_together(vectors, labels)
    counts = Counter(label for label in labels if label)
    if len(counts) < 2:
        found = f"is only {next(iter(counts))}" if counts else "are no labels"
        raise UsageError(f"A probe needs two classes, but there {found}.", REMEDY)
    if min(counts.values()) >= FEW:
        return fit_probe(vectors, labels, seed=seed)
    classes = tuple(sorted(counts))
    chosen = [at for at, label in enumerate(labels) if label]
    x = vectors[chosen].astype(np.float64)
    y = np.array([classes.index(labels[at] or "") for at in chosen])
    turns = in_turn(y)
    chances = np.zeros((len(y), len(classes)))
    for turn in range(int(turns.max()) + 1):
        rest, out = turns != turn, turns == turn
        chances[out] = ScaledRegression.fit(x[rest], y[rest], PENALTY).probabilities(x[out])
    spared = turns >= 0
    return report(
        (x, y, classes),
        PENALTY,
        (chances[spared], y[spared], LEFT_OUT),
        fit_novelty(x, y, np.zeros(len(y), bool)),
        unlabelled=len(labels) - sum(counts.values()),
    )
