"""What cosine two pictures of a collection have by chance: the scale on which a score is read.

A cosine of 0.9 is a close match with one encoder and in one collection, and nothing in another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog

_PICTURES = 400  # in about 80,000 pairs


def chance_scores(catalog: Catalog, dimension: int) -> NDArray[np.float32]:
    """Cosines of pairs of pictures drawn at random, always the same ones, ascending.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    dimension : int
        D.

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
    scores: NDArray[np.float64], by_chance: NDArray[np.float32]
) -> list[float] | list[None]:
    """Share, in per cent, of pairs by chance that are less alike; None without any pairs."""
    if not len(by_chance):
        return [None] * len(scores)
    # All at once, in the type of what is searched, of which numpy would make a copy each time.
    below = np.searchsorted(by_chance, scores.astype(np.float32))
    found: list[float] = (100 * below / len(by_chance)).tolist()
    return found
