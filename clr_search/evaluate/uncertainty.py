"""How far a measure of retrieval may be off, by subsampling.

The queries of a collection are one another's neighbours, so that their scores are not independent:
intervals that take them for it hold the true value too seldom. Two thirds of the pictures, drawn
without replacement again and again, are a collection of their own each time, and their measures
differ as those of collections do (Politis, Romano and Wolf, Subsampling, 1999).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.evaluate.retrieval import MEASURES, Retrieval, query_scores
from clr_search.serve.probe.interval import wilson_interval

DRAWS = 100
"""Number of subsamples that are drawn."""

MOST = 500
"""Largest number of pictures of a draw; it bounds the time, whatever the collection."""


def errors(
    vectors: Sequence[NDArray[np.float32]], y: NDArray[np.integer], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return the covariance of the measures of encoders on pictures of the same classes.

    Parameters
    ----------
    vectors : sequence of float32 arrays, shape (N, D) each
        Vectors of the same N pictures by each of E encoders.
    y : int array, shape (N,)
        Classes of the pictures, from 0; one class has two pictures or more.
    seed : int
        Seed of the draws.

    Returns
    -------
    float64 array, shape (4, E, E)
        For each measure of `retrieval.Retrieval`, the covariance matrix of the encoders' values.
    """
    generator = np.random.default_rng(seed)
    count = len(y)
    size = min(2 * count // 3, MOST)
    drawn: list[list[NDArray[np.float64]]] = []
    for _ in range(DRAWS):
        chosen = np.sort(generator.choice(count, size, replace=False))
        among = np.unique(y[chosen], return_inverse=True)[1]
        if (np.bincount(among) >= 2).any():  # else nothing can be found
            drawn.append([query_scores(x[chosen], among)[1].mean(axis=0) for x in vectors])
    if len(drawn) < 2:
        return np.full((4, len(vectors), len(vectors)), 0.25)  # the largest of a value in [0, 1]
    values = np.array(drawn)
    scale = size / (count - size)
    return np.stack(
        [
            np.cov(values[:, :, measure], rowvar=False).reshape(len(vectors), -1) * scale
            for measure in range(4)
        ]
    )


def intervals(
    vectors: NDArray[np.float32],
    labels: Sequence[str | None],
    measured: Retrieval,
    *,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of the measures of retrieval.

    They are those of Wilson for as many independent queries as vary as much as the queries of this
    collection do, so that they stay within [0, 1].

    Parameters
    ----------
    vectors, labels
        As `retrieval.leave_one_out` takes them.
    measured : Retrieval
        Its result for them.
    seed : int
        Seed of the draws.

    Returns
    -------
    dict of str to tuple of float
        Lower and upper end, in [0, 1], by the names of the four measures.
    """
    known = [at for at, label in enumerate(labels) if label]
    y = np.unique([labels[at] or "" for at in known], return_inverse=True)[1]
    variances = errors([vectors[known]], y, seed=seed)[:, 0, 0]
    found = {}
    for name, variance in zip(MEASURES, variances.tolist(), strict=True):
        share = getattr(measured, name)
        trials = float(measured.queries)
        if variance > 0:
            trials = min(trials, max(1.0, share * (1 - share) / variance))
        found[name] = wilson_interval(share * trials, trials)
    return found
