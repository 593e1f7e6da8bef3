"""How good embeddings are for search: retrieval and nearest-neighbour measures, and a baseline.

Each item is a query against all others (leave one out). Similarities are computed a block of rows
at a time: memory is O(block · N), never N². Neighbours of equal similarity are taken in the order
of their position, so that every figure is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search import knn
from clr_search.errors import UsageError

HISTOGRAM_BINS = 8
"""Bins a channel; 8³ = 512 joint colours."""

_BLOCK_VALUES = 2**24
"""Similarities in memory at once: 64 MB."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Leave-one-out measures, all in [0, 1]; means over the queries.

    Attributes
    ----------
    recall_at_1 : float
        Share of queries whose nearest neighbour has their class.
    precision_at_10 : float
        Share of the first 10 neighbours with the class of the query, out of as many as there can
        be: min(10, other items of the class).
    mean_average_precision : float
        Mean over the queries of their average precision over the whole ranking.
    knn_accuracy : float
        Share of queries that the weighted kNN classifies rightly; see `leave_one_out`.
    queries : int
        Items that were queries.
    unlabelled, alone : int
        Items that were not: without a label, and alone in their class. Unlabelled items are no
        neighbours either; those alone in their class are.
    """

    recall_at_1: float
    precision_at_10: float
    mean_average_precision: float
    knn_accuracy: float
    queries: int
    unlabelled: int
    alone: int


def leave_one_out(vectors: NDArray[np.float32], labels: Sequence[str | None]) -> Retrieval:
    """Measure retrieval among labelled items, each a query against all others.

    The kNN is the weighted vote of `knn`.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    labels : sequence of str or None, length N
        Class of each item; None or an empty string where unknown.

    Raises
    ------
    UsageError
        If no class has two items, or the arguments do not fit together.
    """
    if vectors.ndim != 2 or len(vectors) != len(labels) or not np.isfinite(vectors).all():
        raise UsageError(
            f"Measuring needs one finite vector and one label an item, but got vectors of shape "
            f"{vectors.shape} and {len(labels)} labels."
        )
    known = [at for at, label in enumerate(labels) if label]
    names, y = np.unique([labels[at] or "" for at in known], return_inverse=True)
    sizes = np.bincount(y, minlength=len(names))
    if not (sizes >= 2).any():
        raise UsageError(
            "Measuring retrieval needs a class of at least two pictures, and there is none.",
            "Sort pictures into one folder a class.",
        )
    x = np.ascontiguousarray(vectors[known], np.float32)
    queries = np.flatnonzero(sizes[y] >= 2)
    k = knn.neighbours(len(x) - 1, len(names))
    sums = np.zeros(4)
    for block, order, similarity in _rankings(x, queries):
        relevant = y[order] == y[block, None]
        others = sizes[y[block]] - 1
        sums[0] += relevant[:, 0].sum()
        sums[1] += (relevant[:, :10].sum(axis=1) / np.minimum(10, others)).sum()
        sums[2] += _average_precision(relevant).sum()
        shares = knn.vote(y[order[:, :k]], similarity[:, :k], len(names))
        sums[3] += (shares.argmax(axis=1) == y[block]).sum()
    recall, precision, average, accuracy = (sums / len(queries)).tolist()
    return Retrieval(
        recall_at_1=recall,
        precision_at_10=precision,
        mean_average_precision=average,
        knn_accuracy=accuracy,
        queries=len(queries),
        unlabelled=len(labels) - len(known),
        alone=int((sizes == 1).sum()),
    )


def knn_accuracy(
    train: NDArray[np.float32],
    train_labels: Sequence[str],
    test: NDArray[np.float32],
    test_labels: Sequence[str],
) -> float:
    """Share of test items that the weighted kNN over other, training items classifies rightly.

    Parameters
    ----------
    train, test : float32 array, shape (N, D) and (M, D)
        Rows of unit length; N, M ≥ 1.
    train_labels, test_labels : sequence of str
        Their classes.
    """
    names, y = np.unique(train_labels, return_inverse=True)
    k = knn.neighbours(len(train), len(names))
    right = 0
    step = max(1, _BLOCK_VALUES // len(train))
    for start in range(0, len(test), step):
        similarity = test[start : start + step] @ train.T
        order = _descending(similarity)[:, :k]
        near = np.take_along_axis(similarity, order, axis=1)
        winners = knn.vote(y[order], near, len(names)).argmax(axis=1)
        right += int((names[winners] == np.asarray(test_labels[start : start + step])).sum())
    return right / len(test)


def _rankings(
    x: NDArray[np.float32], queries: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Blocks of queries, all other items by falling similarity, shape (b, N−1), and these."""
    step = max(1, _BLOCK_VALUES // len(x))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        similarity = x[block] @ x.T
        similarity[np.arange(len(block)), block] = -np.inf  # the query itself, last then
        order = _descending(similarity)[:, :-1]
        yield block, order, np.take_along_axis(similarity, order, axis=1)


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Positions by falling value along the last axis, equal values by position.

    Value and position are packed into one integer: sorting these is twice as fast as a stable
    argsort, which is most of the work here.
    """
    bits = (np.float32(0) - values).view(np.int32)  # 0 − 0 is 0, whatever the sign
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)  # now ordered as the floats are
    keys = bits.astype(np.int64) << 32 | np.arange(values.shape[1])
    keys.sort(axis=1)
    keys &= 0xFFFFFFFF
    return keys


def _average_precision(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean over the relevant ranks of the precision there, shape (b,); each row has one."""
    rows, ranks = np.nonzero(relevant)
    counts = relevant.sum(axis=1)
    begins = np.cumsum(counts) - counts
    hits = np.arange(len(rows)) - begins[rows] + 1
    result: NDArray[np.float64] = np.add.reduceat(hits / (ranks + 1), begins) / counts
    return result


def rgb_histogram(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Joint colour histogram as a unit vector: the baseline that learned embeddings must beat.

    Swain and Ballard 1991 (Color indexing) compare joint histograms by intersection; the square
    root of each share makes the dot product the Bhattacharyya coefficient, the stronger comparison
    (Hellinger kernel; Arandjelović and Zisserman 2012, section 2).

    Parameters
    ----------
    pixels : uint8 array, shape (h, w, 3)
        RGB; h, w ≥ 1.

    Returns
    -------
    float32 array, shape (512,)
        Square roots of the shares of 8×8×8 colours; unit L2 norm.
    """
    red, green, blue = np.moveaxis(pixels // (256 // HISTOGRAM_BINS), -1, 0).astype(np.int64)
    colours = (red * HISTOGRAM_BINS + green) * HISTOGRAM_BINS + blue
    counts = np.bincount(colours.ravel(), minlength=HISTOGRAM_BINS**3)
    histogram: NDArray[np.float32] = np.sqrt(counts / colours.size).astype(np.float32)
    return histogram
