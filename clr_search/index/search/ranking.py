"""Percentiles of scores in a collection, and results that differ from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog

CANDIDATES = 5
"""Diverse results are chosen among this many times their number."""

MOST_CANDIDATES = 2000
"""Beyond so many candidates, diverse results are chosen among twice their number only.

The choice takes a time that grows with the product of both numbers.
"""

_PICTURES = 400
"""Pictures drawn at random to measure the cosines of pairs: they make about 80,000 pairs."""


def chance_scores(catalog: Catalog, dimension: int) -> NDArray[np.float32]:
    """Returns the cosines of random pairs of pictures; the draw is the same at every call.

    They are the scale of `percentiles`: a cosine of 0.9 is a close match with one encoder and
    collection, and means nothing with another.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, inside `reading`.
    dimension : int
        D, the length of an embedding.

    Returns
    -------
    float32 array, shape (n,)
        Cosines, ascending, of up to 79,800 pairs: all pairs of a collection of up to 400 pictures,
        and none of fewer than two.
    """
    numbers = embeddings.sample_of_ids(catalog, _PICTURES)
    _, rows = embeddings.of(catalog, numbers.tolist(), dimension)
    scores: NDArray[np.float32] = (rows @ rows.T)[np.triu_indices(len(rows), k=1)]
    scores.sort()
    return scores


def percentiles(
    scores: NDArray[np.floating], by_chance: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Returns for each score the share, in per cent, of random pairs that score less.

    Parameters
    ----------
    scores : float array, any shape
        Cosines, in [-1, 1].
    by_chance : float32 array, shape (n,)
        Cosines of random pairs, ascending, as `chance_scores` returns them.

    Returns
    -------
    float64 array of the shape of `scores`, or None
        Percentiles, in [0, 100]; None if there are no random pairs.

    Examples
    --------
    >>> percentiles(np.array([0.25]), np.array([0.0, 0.1, 0.2, 0.3], dtype=np.float32))
    array([75.])
    """
    if not len(by_chance):
        return None
    # The scores get the type of `by_chance`: otherwise NumPy converts all of that at every call.
    below = np.searchsorted(by_chance, scores.astype(np.float32))
    shares: NDArray[np.float64] = 100 * below / len(by_chance)
    return shares


def candidates(k: int) -> int:
    """Returns the number of candidates among which k diverse results are chosen.

    Examples
    --------
    >>> candidates(10), candidates(400), candidates(1000), candidates(3000)
    (50, 2000, 2000, 6000)
    """
    return min(CANDIDATES * k, max(MOST_CANDIDATES, 2 * k))


def spread_out(
    scores: NDArray[np.floating], rows: NDArray[np.float32], k: int, weight: float
) -> NDArray[np.int64]:
    """Choose k candidates by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

    Each step chooses the candidate with the greatest value of (1 − w) · (cosine to the query)
    − w · (greatest cosine to a candidate already chosen).

    Parameters
    ----------
    scores : float array, shape (N,)
        Cosines to the query, falling.
    rows : float32 array, shape (N, D)
        Unit vectors of the candidates.
    k : int
        The number of candidates to choose.
    weight : float
        The weight w, in [0, 1]; 0 chooses the k nearest.

    Returns
    -------
    int64 array, shape (min(k, N),)
        Positions of the chosen candidates, ascending, which is the order of their scores.

    Examples
    --------
    >>> rows = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    >>> spread_out(np.array([0.9, 0.9, 0.4]), rows, 2, weight=0.5)
    array([0, 2])
    """
    chosen: list[int] = []
    # One product of matrices takes a tenth of the time of as many products with vectors; beyond
    # these candidates it would take much memory.
    between = rows @ rows.T if len(rows) <= min(MOST_CANDIDATES, 10 * k) else None
    closest = np.full(len(scores), -np.inf)
    remaining = np.ones(len(scores), dtype=bool)
    for _ in range(min(k, len(scores))):
        gain = (1 - weight) * scores - (weight * closest if chosen else 0.0)
        best = int(np.where(remaining, gain, -np.inf).argmax())
        chosen.append(best)
        remaining[best] = False
        closest = np.maximum(closest, rows @ rows[best] if between is None else between[best])
    return np.sort(np.asarray(chosen, dtype=np.int64))
