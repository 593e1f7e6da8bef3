"""Measures of retrieval and nearest-neighbour classification, and a baseline.

Each item is a query against all others (leave one out). Similarities are computed a block of rows
at a time: memory is O(block · N), never N². Neighbours of equal similarity are ranked by their
position, so that every figure is deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search import knn
from clr_search.errors import UsageError
from clr_search.evaluate.baselines import Baseline, chance_of, majority_of

HISTOGRAM_BINS = 8
"""Bins of each channel, which make 8³ = 512 joint colours."""

MEASURES = ("recall_at_1", "precision_at_10", "mean_average_precision", "knn_accuracy")
"""Names of the four measures, in the order in which they are returned."""

_BLOCK_VALUES = 2**24
"""Most similarities (float32) in memory at a time: 64 MB."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Leave-one-out measures: means over the queries, all in [0, 1].

    Attributes
    ----------
    recall_at_1 : float
        Share of queries whose nearest neighbour has their class.
    precision_at_10 : float
        Number of the first 10 neighbours with the class of the query, divided by the greatest
        possible number: min(10, other items of the class).
    mean_average_precision : float
        Mean of the average precision of the queries, over the whole ranking.
    knn_accuracy : float
        Share of queries that the weighted kNN classifies correctly.
    queries : int
        The number of items that were queries.
    unlabelled : int
        The number of items without a label, which are neither queries nor neighbours.
    alone : int
        The number of items that are alone in their class, which are neighbours but no queries.
    chance : Baseline
        What the four measures come to where neighbours, and guesses of a class, are random.
    majority : Baseline
        What they come to where the largest class is always found and guessed first.
    """

    recall_at_1: float
    precision_at_10: float
    mean_average_precision: float
    knn_accuracy: float
    queries: int
    unlabelled: int
    alone: int
    chance: Baseline
    majority: Baseline


def leave_one_out(vectors: NDArray[np.float32], labels: Sequence[str | None]) -> Retrieval:
    """Measure retrieval among labelled items, each a query against all others.

    The kNN classifies by the weighted vote of `knn`.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    labels : sequence of str or None, length N
        Class of each item; None or an empty string where unknown.

    Returns
    -------
    Retrieval
        The measures, and the numbers of items that they are made with.

    Raises
    ------
    UsageError
        If no class has two items, or there is one class only, or the arguments do not fit
        together.

    Examples
    --------
    >>> vectors = np.repeat(np.eye(2, dtype=np.float32), 2, axis=0)
    >>> retrieval = leave_one_out(vectors, ["cat", "cat", "dog", "dog"])
    >>> retrieval.recall_at_1, retrieval.queries
    (1.0, 4)
    """
    if vectors.ndim != 2 or len(vectors) != len(labels) or not np.isfinite(vectors).all():
        raise UsageError(
            f"Measuring needs one finite vector and one label an item, but got vectors of shape "
            f"{vectors.shape} and {len(labels)} labels."
        )
    known = [position for position, label in enumerate(labels) if label]
    y = np.unique([labels[position] or "" for position in known], return_inverse=True)[1]
    sizes = np.bincount(y)
    if not (sizes >= 2).any():
        raise UsageError(
            "Measuring retrieval needs a class of at least two pictures, and there is none.",
            "Sort pictures into one folder a class, or give labels with --labels labels.csv.",
        )
    refuse_one_class(len(sizes))
    queries, scores = query_scores(vectors[known], y)
    recall, precision, average, accuracy = scores.mean(axis=0).tolist()
    return Retrieval(
        recall_at_1=recall,
        precision_at_10=precision,
        mean_average_precision=average,
        knn_accuracy=accuracy,
        queries=len(queries),
        unlabelled=len(labels) - len(known),
        alone=int((sizes == 1).sum()),
        chance=chance_of(sizes),
        majority=majority_of(sizes),
    )


def refuse_one_class(classes: int) -> None:
    """Refuses one class, of which every result is right: 100 % would say nothing of the search."""
    if classes == 1:
        raise UsageError(
            "All pictures that have a label have the same one, so that every result would be right "
            "and nothing is measured.",
            "Sort pictures into two folders or more, or give labels with --labels labels.csv.",
        )


def query_scores(
    vectors: NDArray[np.float32], y: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Measure each query of its own, against all other items.

    Parameters
    ----------
    vectors : float32 array, shape (N, D)
        Rows of unit length.
    y : int array, shape (N,)
        Class of each item, from 0.

    Returns
    -------
    queries : int64 array, shape (Q,)
        Positions of the items that are not alone in their class, ascending.
    scores : float64 array, shape (Q, 4)
        The four measures of `Retrieval` for each query, in that order, all in [0, 1].

    Examples
    --------
    >>> query_scores(np.eye(3, dtype=np.float32)[[0, 0, 1]], np.array([0, 0, 1]))[1].tolist()
    [[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]]
    """
    x = np.ascontiguousarray(vectors, np.float32)
    sizes = np.bincount(y)
    classes = int((sizes > 0).sum())
    queries = np.flatnonzero(sizes[y] >= 2)
    k = knn.neighbours(len(x) - 1, classes)
    scores = np.empty((len(queries), 4))
    done = 0
    for block, order, similarity in _rankings(x, queries):
        relevant = y[order] == y[block, None]
        others = sizes[y[block]] - 1
        shares = knn.vote(y[order[:, :k]], similarity[:, :k], len(sizes))
        rows = scores[done : done + len(block)]
        rows[:, 0] = relevant[:, 0]
        rows[:, 1] = relevant[:, :10].sum(axis=1) / np.minimum(10, others)
        rows[:, 2] = _average_precision(relevant)
        rows[:, 3] = shares.argmax(axis=1) == y[block]
        done += len(block)
    return queries, scores


def knn_accuracy(
    train: NDArray[np.float32],
    train_labels: Sequence[str],
    test: NDArray[np.float32],
    test_labels: Sequence[str],
) -> float:
    """Returns the share of test items that the weighted kNN of training items classifies correctly.

    Parameters
    ----------
    train, test : float32 array, shape (N, D) and (M, D)
        Rows of unit length; N, M ≥ 1.
    train_labels, test_labels : sequence of str
        Classes of the items, of lengths N and M.

    Returns
    -------
    float
        The accuracy, in [0, 1].

    Examples
    --------
    >>> train = np.eye(2, dtype=np.float32)
    >>> knn_accuracy(train, ["cat", "dog"], train[[0, 1, 1]], ["cat", "dog", "dog"])
    1.0
    """
    names, y = np.unique(train_labels, return_inverse=True)
    k = knn.neighbours(len(train), len(names))
    correct = 0
    step = max(1, _BLOCK_VALUES // len(train))
    for start in range(0, len(test), step):
        similarity = test[start : start + step] @ train.T
        order = _descending(similarity)[:, :k]
        near = np.take_along_axis(similarity, order, axis=1)
        winners = knn.vote(y[order], near, len(names)).argmax(axis=1)
        correct += int((names[winners] == np.asarray(test_labels[start : start + step])).sum())
    return correct / len(test)


def _rankings(
    x: NDArray[np.float32], queries: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]]:
    """Yields blocks of queries (b,), the ranked other items (b, N−1), and their similarities."""
    step = max(1, _BLOCK_VALUES // len(x))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        similarity = x[block] @ x.T
        similarity[np.arange(len(block)), block] = -np.inf  # so that the query itself ranks last
        order = _descending(similarity)[:, :-1]
        yield block, order, np.take_along_axis(similarity, order, axis=1)


def _descending(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the positions by falling value along the last axis, equal values by position.

    Value and position are packed into one integer: sorting these is twice as fast as a stable
    argsort, and the sort is most of the work of the measures.
    """
    bits = (np.float32(0) - values).view(np.int32)  # 0 − 0 is +0 for zeros of both signs
    bits ^= (bits >> 31) & np.int32(0x7FFFFFFF)  # orders the integers as their floats
    keys = bits.astype(np.int64) << 32 | np.arange(values.shape[1])
    keys.sort(axis=1)
    keys &= 0xFFFFFFFF
    return keys


def _average_precision(relevant: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Returns the mean precision at the relevant ranks, shape (b,); each row needs such a rank."""
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
        Square roots of the shares of 8×8×8 colours, with unit L2 norm.

    Examples
    --------
    >>> histogram = rgb_histogram(np.zeros((2, 3, 3), np.uint8))
    >>> histogram.shape, float(histogram[0])
    ((512,), 1.0)
    """
    red, green, blue = np.moveaxis(pixels // (256 // HISTOGRAM_BINS), -1, 0).astype(np.int64)
    colours = (red * HISTOGRAM_BINS + green) * HISTOGRAM_BINS + blue
    counts = np.bincount(colours.ravel(), minlength=HISTOGRAM_BINS**3)
    histogram: NDArray[np.float32] = np.sqrt(counts / colours.size).astype(np.float32)
    return histogram
