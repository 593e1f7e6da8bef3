"""The weighted vote of the k nearest neighbours: one rule for all that let pictures vote.

InstDisc (Wu et al. 2018, arXiv 1805.01978, section 3.4): each of the k most similar pictures votes
for its class with the weight exp(cosine / τ). Training measures by it, `evaluate` does, and
`classify --knn` answers by it, with fewer neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_NEIGHBOURS = 200
"""k of the paper, for 50,000 images of ten classes."""

TEMPERATURE = 0.1
"""τ, as in the paper's code."""


def neighbours(voters: int, classes: int, most: int = MOST_NEIGHBOURS) -> int:
    """How many neighbours vote: `most`, but at most the mean size of a class, and at least 1.

    With more neighbours than a class has, the others outvote it by necessity.

    Parameters
    ----------
    voters : int
        Pictures that may vote: where each picture is asked against all others, one less than all.
    classes : int
        Classes they are of.
    most : int
        200 where the vote is a measure, so that it compares with what others report.

    Examples
    --------
    >>> neighbours(50_000, 10), neighbours(36, 3), neighbours(3, 9)
    (200, 12, 1)
    """
    return max(1, min(most, round(voters / classes)))


def vote(
    labels: NDArray[np.integer], similarity: NDArray[np.floating], classes: int
) -> NDArray[np.float64]:
    """Shares of the vote for each class.

    Parameters
    ----------
    labels : int array, shape (B, k)
        Classes of the neighbours, from 0; -1 for one without a class, which has no vote.
    similarity : float array, shape (B, k)
        Their cosines.
    classes : int
        C.

    Returns
    -------
    float64 array, shape (B, C)
        Rows sum to 1; a row without any vote is 0.

    Examples
    --------
    >>> vote(np.array([[0, 1, 1]]), np.array([[0.9, 0.9, 0.9]]), 2).round(2)
    array([[0.33, 0.67]])
    """
    voting = labels >= 0
    wide = np.where(voting, similarity.astype(np.float64), -np.inf)
    highest = wide.max(axis=1, keepdims=True, initial=-1.0)  # so that no weight overflows
    weights = np.exp((wide - highest) / TEMPERATURE)
    votes = np.zeros((len(labels), classes))
    rows = np.arange(len(labels))[:, None]
    np.add.at(votes, (rows, np.where(voting, labels, 0)), weights)
    totals = votes.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(votes, totals, out=votes, where=totals > 0)
    return shares
