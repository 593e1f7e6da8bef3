"""How long a search takes, measured on the collection itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WARMING = 8
"""One in so many of the searches, the first ones, warm the caches and do not count."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of one search for ten neighbours, without embedding the query, in milliseconds.

    Attributes
    ----------
    median, p99 : float or None
        The median, and what one search in a hundred exceeds; None in an empty collection.
    """

    median: float | None
    p99: float | None


def measure(
    search: Callable[[NDArray[np.float32], int], object],
    ids: NDArray[np.int64],
    vectors: NDArray[np.float32],
) -> Latency:
    """Time searches, one after the other.

    Parameters
    ----------
    search : callable
        Searches by a vector, shape (D,), without the item of this id.
    ids : int64 array, shape (n,)
        Items that are searched by.
    vectors : float32 array, shape (n, D)
        Their unit vectors; those that are zero have no direction and are left out.
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
