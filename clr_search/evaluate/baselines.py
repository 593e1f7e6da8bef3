"""What measures come to without looking at a picture: by chance, and by the largest class alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Baseline:
    """The measures of `retrieval.Retrieval` for an order that no picture decides, in [0, 1].

    Attributes
    ----------
    recall_at_1, precision_at_10, mean_average_precision, knn_accuracy : float
        Expected values of the measures of these names.
    """

    recall_at_1: float
    precision_at_10: float
    mean_average_precision: float
    knn_accuracy: float


def chance_of(sizes: NDArray[np.integer]) -> Baseline:
    """Return the expected measures where neighbours come in random order.

    The accuracy of the kNN is that of guessing any class alike, 1/C.

    Parameters
    ----------
    sizes : int array, shape (C,)
        Number of items of each class, at least 1; one class has two.

    Examples
    --------
    >>> chance_of(np.array([3, 2])).recall_at_1, chance_of(np.array([3, 2])).knn_accuracy
    (0.4, 0.5)
    """
    recall, precision, average = _expected(sizes, first=-1)
    return Baseline(recall, precision, average, 1 / len(sizes))


def majority_of(sizes: NDArray[np.integer]) -> Baseline:
    """Return the expected measures where the largest class comes first, and the rest at random.

    The arguments are those of `chance_of`. The kNN always answers with the largest class.

    Examples
    --------
    >>> majority_of(np.array([3, 1])).recall_at_1, majority_of(np.array([2, 6])).knn_accuracy
    (1.0, 0.75)
    """
    largest = int(np.argmax(sizes))
    queries = sizes[sizes >= 2].sum()
    recall, precision, average = _expected(sizes, first=largest)
    return Baseline(recall, precision, average, float(sizes[largest] / queries))


def _expected(sizes: NDArray[np.integer], first: int) -> tuple[float, float, float]:
    """Return R@1, P@10 and mAP of a random order, in which the class `first` comes first."""
    total = int(sizes.sum())
    ahead = int(sizes[first]) if first >= 0 else 0
    sums, queries = np.zeros(3), 0
    for number, size in enumerate(sizes.tolist()):
        if size < 2:
            continue
        found_first = number == first
        sums += size * (1 if found_first else _of_query(size - 1, total - 1 - ahead, ahead))
        queries += size
    recall, precision, average = (sums / queries).tolist()
    return recall, precision, average


def _of_query(relevant: int, among: int, ahead: int) -> NDArray[np.float64]:
    """Return the expected measures of one query: `ahead` wrong items, then `among` at random."""
    share = relevant / among
    recall = 0.0 if ahead else share
    precision = max(0, min(10 - ahead, among)) * share / min(10, relevant)
    before = np.arange(among)
    # Given that an item is relevant, each one before it is with probability (R − 1)/(among − 1).
    hits = 1 + before * (relevant - 1) / max(1, among - 1)
    average = float((hits / (ahead + before + 1)).sum()) / among
    return np.array([recall, precision, average])
