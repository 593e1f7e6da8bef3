"""What a cosine means in a collection, and results that are not all like each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog

CANDIDATES = 5
"""How many times the wanted number of results is looked at to choose diverse ones."""

_PICTURES = 400
"""Pictures drawn to learn what cosines random pairs have: about 80,000 pairs."""


def chance_scores(catalog: Catalog, dimension: int) -> NDArray[np.float32]:
    """Cosines of pairs of pictures drawn at random, always the same ones, ascending.

    They are the scale on which a score is read: a cosine of 0.9 is a close match with one encoder
    and in one collection, and nothing in another.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    dimension : int
        D, the length of an embedding.

    Returns
    -------
    float32 array, shape (n,)
        Of up to 79,800 pairs; of all pairs in a small collection; empty below two pictures.
    """
    numbers = embeddings.sample_of_ids(catalog, _PICTURES)
    _, rows = embeddings.of(catalog, numbers.tolist(), dimension)
    scores: NDArray[np.float32] = (rows @ rows.T)[np.triu_indices(len(rows), k=1)]
    scores.sort()
    return scores


def percentiles(
    scores: NDArray[np.floating], by_chance: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Share, in per cent, of random pairs that are less alike than each score says.

    Parameters
    ----------
    scores : float array, any shape
        Cosines.
    by_chance : float32 array, shape (n,)
        See `chance_scores`.

    Returns
    -------
    float64 array of the shape of `scores`, or None
        In [0, 100]; None where there are no pairs to compare with.

    Examples
    --------
    >>> percentiles(np.array([0.25]), np.array([0.0, 0.1, 0.2, 0.3], dtype=np.float32))
    array([75.])
    """
    if not len(by_chance):
        return None
    # In the type of what is searched, of which numpy would make a copy each time.
    below = np.searchsorted(by_chance, scores.astype(np.float32))
    shares: NDArray[np.float64] = 100 * below / len(by_chance)
    return shares


def spread_out(
    scores: NDArray[np.floating], rows: NDArray[np.float32], k: int, weight: float
) -> NDArray[np.int64]:
    """Choose k candidates by maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).

    One after the other, the candidate of greatest (1 − w) · (cosine to the query) − w · (greatest
    cosine to one already chosen) is taken.

    Parameters
    ----------
    scores : float array, shape (N,)
        Cosines to the query, falling.
    rows : float32 array, shape (N, D)
        Unit vectors of the candidates.
    k : int
        How many are chosen.
    weight : float
        w, in [0, 1].

    Returns
    -------
    int64 array, shape (min(k, N),)
        Positions of those chosen, ascending: so in the order of their scores.

    Examples
    --------
    >>> rows = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    >>> spread_out(np.array([0.9, 0.9, 0.4]), rows, 2, weight=0.5)
    array([0, 2])
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
