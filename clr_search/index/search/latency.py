"""The time that a search takes, measured on the collection itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WARMING = 8
"""The first eighth of the searches warms the caches, and is not counted."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one search for ten neighbours, without embedding the query, in milliseconds.

    Attributes
    ----------
    median, p99 : float or None
        The median, and the time that one search in a hundred exceeds; None if the collection is
        empty.
    """

    median: float | None
    p99: float | None


def measure(
    search: Callable[[NDArray[np.float32], int], object],
    ids: NDArray[np.int64],
    vectors: NDArray[np.float32],
) -> Latency:
    """Measure the times of searches, made one after the other.

    Parameters
    ----------
    search : callable
        Searches by a vector, float32 (D,), and leaves out the item of the id, its second argument.
    ids : int64 array, shape (n,)
        Ids of the items to search by.
    vectors : float32 array, shape (n, D)
        Unit vectors of these items; zero vectors have no direction and are left out.

    Returns
    -------
    Latency
        Times in milliseconds; None if no item has a direction.

    Examples
    --------
    >>> measure(lambda vector, number: None, np.array([7]), np.zeros((1, 2), np.float32))
    Latency(median=None, p99=None)
    """
    seconds = []
    for number, vector in zip(ids.tolist(), vectors, strict=True):
        if not vector.any():
            continue
        began = time.perf_counter()
        search(vector, number)
        seconds.append(time.perf_counter() - began)
    seconds = seconds[len(seconds) // _WARMING :]
    if not seconds:
        return Latency(None, None)
    return Latency(1e3 * statistics.median(seconds), 1e3 * float(np.quantile(seconds, 0.99)))
