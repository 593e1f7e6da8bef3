"""A few-shot probe has a handful of pictures a class: too few to hold out, or to choose a penalty.

It is the same logistic regression, with a fixed penalty: in `bench/few_shot.py` no other penalty,
nor the nearest class mean, was better by more than the draws differ. Each picture is left out in
its turn, instead of a fifth of all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.serve.probe.fit import (
    REMEDY,
    check_fit_together,
    class_names,
    crossed,
    fit_probe,
)
from clr_search.serve.probe.fitted import FittedProbe, report
from clr_search.serve.probe.novelty import LEFT_OUT, fit_novelty, in_turn
from clr_search.serve.probe.strangers import estimate_strangers

FEW = 10
"""Pictures a class from which a fifth is left out at a time; below, each picture is, in turn."""

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
    names = class_names(labels)
    check_fit_together(vectors, names)
    counts = Counter(name for name in names if name)
    if len(counts) < 2:
        found = f"is only {next(iter(counts))}" if counts else "are no labels"
        raise UsageError(f"A probe needs two classes, but there {found}.", REMEDY)
    if min(counts.values()) >= FEW:
        return fit_probe(vectors, names, seed=seed)
    classes = tuple(sorted(counts))
    chosen = [at for at, name in enumerate(names) if name]
    x = vectors[chosen].astype(np.float64)
    y = np.array([classes.index(names[at] or "") for at in chosen])
    turns, nobody = in_turn(y), np.zeros(len(y), bool)
    spared = turns >= 0
    chances = crossed(x, y, turns, PENALTY)
    return report(
        (x, y, classes),
        PENALTY,
        (chances[spared], y[spared], LEFT_OUT),
        (fit_novelty(x, y, nobody), estimate_strangers(x, y, nobody)),
        unlabelled=len(labels) - sum(counts.values()),
    )
