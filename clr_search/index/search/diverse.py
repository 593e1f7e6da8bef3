"""Results that are like the query, and not all like each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 5
"""How many times the wanted number is looked at."""


def spread_out(
    scores: NDArray[np.float64], rows: NDArray[np.float32], k: int, weight: float
) -> NDArray[np.int64]:
    """Choose k candidates by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

    One after the other, the candidate of greatest (1 − w) · (cosine to the query) − w · (greatest
    cosine to one already chosen).

    Parameters
    ----------
    scores : float64 array, shape (N,)
        Cosines to the query, falling.
    rows : float32 array, shape (N, D)
        The candidates' unit vectors.
    k : int
        How many.
    weight : float
        w, in [0, 1].

    Returns
    -------
    int64 array, shape (min(k, N),)
        Positions, ascending: so in the order of their scores.
    """
    chosen: list[int] = []
    closest = np.full(len(scores), -np.inf)
    left = np.ones(len(scores), dtype=bool)
    for _ in range(min(k, len(scores))):
        gain = (1 - weight) * scores - (weight * closest if chosen else 0.0)
        best = int(np.where(left, gain, -np.inf).argmax())
        chosen.append(best)
        left[best] = False
        closest = np.maximum(closest, rows @ rows[best])
    return np.sort(np.asarray(chosen, dtype=np.int64))
