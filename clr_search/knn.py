"""The k nearest neighbours of a picture vote on its class; this is the one rule of the vote.

The rule is that of InstDisc (Wu et al. 2018, arXiv 1805.01978, section 3.4): each of the k most
similar pictures votes for its class with the weight exp(cosine / τ). Training and `evaluate`
measure encoders by it, and `classify --knn` answers by it, with fewer neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_NEIGHBOURS = 200
"""Largest k, which the paper uses for 50,000 images of ten classes."""

TEMPERATURE = 0.1
"""τ, the value in the code of the paper."""


def neighbours(voters: int, classes: int, most: int = MOST_NEIGHBOURS) -> int:
    """Choose k, the number of neighbours that vote.

    It is `most`, but at most the mean size of a class, as a class with fewer pictures than there
    are neighbours is always outvoted by the others.

    Parameters
    ----------
    voters : int
        Number of pictures that may vote. It is one less than all where each picture is classified
        by all others.
    classes : int
        Number of classes of these pictures.
    most : int
        Largest k. It is 200 where the vote is a measure, which can be compared with published ones.

    Returns
    -------
    int
        k, at least 1.

    Examples
    --------
    >>> neighbours(50_000, 10), neighbours(36, 3), neighbours(3, 9)
    (200, 12, 1)
    """
    return max(1, min(most, round(voters / classes)))


def vote(
    labels: NDArray[np.integer], similarity: NDArray[np.floating], classes: int
) -> NDArray[np.float64]:
    """Compute the share of the vote that each class gets.

    Parameters
    ----------
    labels : int array, shape (B, k)
        Class numbers of the neighbours, from 0; -1 for one without a class, which has no vote.
    similarity : float array, shape (B, k)
        Cosines of the neighbours with the picture, in [-1, 1].
    classes : int
        C, the number of classes.

    Returns
    -------
    float64 array, shape (B, C)
        Shares in [0, 1]. Each row sums to 1, or is 0 where no neighbour has a class.

    Examples
    --------
    >>> vote(np.array([[0, 1, 1]]), np.array([[0.9, 0.9, 0.9]]), 2).round(2)
    array([[0.33, 0.67]])
    """
    voting = labels >= 0
    wide = np.where(voting, similarity.astype(np.float64), -np.inf)
    highest = wide.max(axis=1, keepdims=True, initial=-1.0)  # No weight overflows then.
    weights = np.exp((wide - highest) / TEMPERATURE)
    votes = np.zeros((len(labels), classes))
    rows = np.arange(len(labels))[:, None]
    np.add.at(votes, (rows, np.where(voting, labels, 0)), weights)
    totals = votes.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(votes, totals, out=votes, where=totals > 0)
    return shares
