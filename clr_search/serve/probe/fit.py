"""Fitting a linear probe: multinomial logistic regression on frozen embeddings.

A linear probe is the standard measure of a representation (SimCLR, section 4.2 and B.8): only a
linear classifier is trained, on h. The embeddings are centred and scaled by one number beforehand,
so that a penalty means the same for every encoder; both are folded into the coefficients later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.serve.probe.fitted import CROSSED, FittedProbe, report
from clr_search.serve.probe.novelty import HELD_OUT, fit_novelty
from clr_search.serve.probe.regression import ScaledRegression
from clr_search.serve.probe.strangers import estimate_strangers

LEAST = 3
"""Least number of pictures a class: one is held out, and cross-validation needs two."""

EVERY = 5
"""One in so many pictures of each class, and at least one, is spared at a time to measure."""

MANY = 5_000
"""Number of pictures from which one fifth is held out; below, each of five is, in turn."""

FOLDS = 3
"""Number of folds of the cross-validation; there are fewer where a class has fewer pictures."""

PENALTIES = tuple(10.0**power for power in range(1, -6, -1))
"""Values of λ to choose from, in mean loss + λ/2·‖w‖², strongest first; scikit-learn's C is
1/(λ·n)."""

SEARCHED = 10_000
"""Largest number of pictures that choose λ; the choice depends little on their number."""


def fit_probe(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, seed: int = 0
) -> FittedProbe:
    """Fit and measure a linear probe.

    The penalty λ is chosen by cross-validated log loss, and the probe is fitted on all pictures.
    Its measures come from five-fold cross-validation: each picture is classified by a probe that
    was fitted without it. A single fifth of few pictures would be a handful, and a handful is all
    right by luck too often. From `MANY` pictures on a single fifth tells enough: it is held out,
    also from the choice of λ. Classes weigh the same, however many pictures they have.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Embeddings, finite.
    labels : sequence of str or None, length N
        Class of each picture; None or an empty string for unlabelled ones, which are left out, as
        are classes of fewer than `LEAST` pictures. Numbers become their texts.
    seed : int
        Seed of the folds.

    Returns
    -------
    FittedProbe
        The probe with its measures.

    Raises
    ------
    UsageError
        If fewer than two classes remain, or the arguments do not fit together.
    """
    names = class_names(labels)
    check_fit_together(vectors, names)
    counts = Counter(name for name in names if name)
    classes = tuple(sorted(name for name, count in counts.items() if count >= LEAST))
    if len(classes) < 2:
        raise UsageError(_too_few(counts), REMEDY)
    numbers = {name: number for number, name in enumerate(classes)}
    chosen = [at for at, name in enumerate(names) if name in numbers]
    x = vectors[chosen].astype(np.float64)
    y = np.array([numbers[names[at] or ""] for at in chosen])
    generator = np.random.default_rng(seed)
    turns = ranks(y, generator) % EVERY
    held = turns == 0
    if len(x) < MANY:
        penalty = best_penalty(x, y, generator)
        measured = (crossed(x, y, turns, penalty), y, CROSSED)
    else:
        penalty = best_penalty(x[~held], y[~held], generator)
        fitted = ScaledRegression.fit(x[~held], y[~held], penalty)
        measured = (fitted.probabilities(x[held]), y[held], HELD_OUT)
    return report(
        (x, y, classes),
        penalty,
        measured,
        (fit_novelty(x, y, held), estimate_strangers(x, y, held)),
        unlabelled=len(labels) - sum(counts.values()),
        left_out=tuple(sorted((name, n) for name, n in counts.items() if n < LEAST)),
    )


def crossed(
    x: NDArray[np.float64], y: NDArray[Any], turns: NDArray[np.int64], penalty: float
) -> NDArray[np.float64]:
    """Return the class probabilities of pictures by probes that are fitted without them.

    Parameters
    ----------
    x : float64 array, shape (n, D)
        Embeddings.
    y : int array, shape (n,)
        Classes 0 … C − 1; each turn leaves a picture of each.
    turns : int array, shape (n,)
        The turn in which each picture is left out, from 0; −1 for one that never is.
    penalty : float
        λ.

    Returns
    -------
    float64 array, shape (n, C)
        Rows sum to 1; those of pictures that are never left out are 0.
    """
    chances = np.zeros((len(y), int(y.max()) + 1))
    for turn in range(int(turns.max()) + 1):
        rest, out = turns != turn, turns == turn
        if out.any():
            chances[out] = ScaledRegression.fit(x[rest], y[rest], penalty).probabilities(x[out])
    return chances


def class_names(labels: Sequence[object]) -> list[str | None]:
    r"""Return labels as names of classes: text, which an ONNX file can hold, or None for no label.

    Numbers become their texts. Bytes of a folder's name that are not valid text become escapes.

    Examples
    --------
    >>> class_names(["rose", "", None, 0, float("nan"), "r\udcf6t"])
    ['rose', None, None, '0', None, 'r\\udcf6t']
    """
    return [
        None
        if label is None or label != label  # NaN, by which pandas marks what is missing
        else str(label).encode("utf-8", "backslashreplace").decode("utf-8") or None
        for label in labels
    ]


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
