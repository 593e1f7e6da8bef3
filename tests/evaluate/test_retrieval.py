"""Measures against slow, independent definitions."""

from __future__ import annotations

from math import comb, exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.evaluate import retrieval
from clr_search.evaluate.paired import compare_paired
from clr_search.evaluate.retrieval import (
    knn_accuracy,
    leave_one_out,
    rgb_histogram,
)
from clr_search.knn import neighbours
from clr_search.serve.probe.interval import wilson_interval

Vectors = NDArray[np.float32]


def unit(seed: int, count: int, dimension: int, *, grid: bool = False) -> Vectors:
    """Random unit vectors; on a coarse grid, so that many similarities are equal."""
    generator = np.random.default_rng(seed)
    if grid:
        axes = np.eye(dimension, dtype=np.float32)
        return np.concatenate([axes, -axes])[generator.integers(0, 2 * dimension, count)]
    x = generator.normal(size=(count, dimension))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def slow_ranking(x: Vectors, query: int, candidates: list[int]) -> list[tuple[float, int]]:
    """Others by falling similarity, equal ones by position."""
    pairs = [(float(x[query] @ x[other]), other) for other in candidates if other != query]
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


def slow_measures(x: Vectors, labels: list[str | None]) -> list[float]:
    known = [at for at, label in enumerate(labels) if label]
    size = {label: labels.count(label) for label in labels if label}
    k = max(1, min(200, round((len(known) - 1) / len(size))))
    rows = []
    for query in known:
        own = labels[query]
        if own is None or size[own] < 2:
            continue
        ranking = slow_ranking(x, query, known)
        hits = [labels[other] == own for _, other in ranking]
        precisions = [sum(hits[: rank + 1]) / (rank + 1) for rank, hit in enumerate(hits) if hit]
        votes: dict[str, float] = {}
        for similarity, other in ranking[:k]:
            label = labels[other] or ""
            votes[label] = votes.get(label, 0.0) + exp(similarity / 0.1)
        best = max(sorted(votes), key=lambda label: round(votes[label], 9))
        rows.append(
            [
                float(hits[0]),
                sum(hits[:10]) / min(10, size[own] - 1),
                sum(precisions) / len(precisions),
                float(best == own),
            ]
        )
    return [*np.mean(rows, axis=0), len(rows)]


def measures(x: Vectors, labels: list[str | None]) -> list[float]:
    found = leave_one_out(x, labels)
    return [
        found.recall_at_1,
        found.precision_at_10,
        found.mean_average_precision,
        found.knn_accuracy,
        found.queries,
    ]


@given(st.integers(0, 10**6), st.integers(4, 60), st.integers(1, 6), st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_against_loops(seed: int, count: int, classes: int, block: int) -> None:
    x = unit(seed, count, 5)
    generator = np.random.default_rng(seed)
    labels: list[str | None] = [f"c{n}" for n in generator.integers(0, classes, count)]
    labels[:3] = ["c0", "c0", "c1"]  # one class of two at least, and not one alone
    for at in np.flatnonzero(generator.random(count) < 0.1):
        if at > 2:
            labels[at] = None
    original = retrieval._BLOCK_VALUES
    retrieval._BLOCK_VALUES = block  # blocks of one query, or a few
    try:
        found = measures(x, labels)
    finally:
        retrieval._BLOCK_VALUES = original
    assert found == pytest.approx(slow_measures(x, labels), abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_ties_are_taken_in_order(seed: int) -> None:
    x = unit(seed, 40, 2, grid=True)
    labels: list[str | None] = [f"c{n}" for n in np.random.default_rng(seed).integers(0, 3, 40)]
    found, expected = measures(x, labels), slow_measures(x, labels)
    assert found[:3] == pytest.approx(expected[:3], abs=1e-6)
    assert found == measures(x, labels)


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=50))
def test_order_is_that_of_a_stable_sort(values: list[float]) -> None:
    row = np.array([values], np.float32)
    expected = np.argsort(-row, axis=1, kind="stable")
    assert np.array_equal(retrieval._descending(row), expected)


def test_duplicates_find_each_other() -> None:
    x = np.repeat(unit(0, 10, 8), 2, axis=0)
    found = leave_one_out(x, [str(n // 2) for n in range(20)])
    assert (found.recall_at_1, found.precision_at_10) == (1, 1)
    assert (found.mean_average_precision, found.knn_accuracy) == (1, 1)
    assert (found.queries, found.unlabelled, found.alone) == (20, 0, 0)


def test_by_hand() -> None:
    angles = np.array([0.0, 0.1, 0.3, 0.35])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = leave_one_out(x, ["a", "b", "a", "b"])
    # Rankings: a0: b1 a2 b3 · b1: a0 a2 b3 · a2: b3 b1 a0 · b3: a2 b1 a0
    assert found.recall_at_1 == 0
    assert found.precision_at_10 == 1  # the only other one of the class is among the first ten
    assert found.mean_average_precision == pytest.approx((1 / 2 + 1 / 3 + 1 / 3 + 1 / 2) / 4)


def test_precision_is_out_of_what_there_can_be() -> None:
    x = np.concatenate([np.tile([[1.0, 0]], (5, 1)), np.tile([[0, 1.0]], (15, 1))])
    found = leave_one_out(x.astype(np.float32), ["a"] * 5 + ["b"] * 15)
    assert found.precision_at_10 == 1


def test_who_is_left_out() -> None:
    x = unit(0, 6, 3)
    found = leave_one_out(x, ["a", "a", None, "", "alone", "a"])
    assert (found.queries, found.unlabelled, found.alone) == (3, 2, 1)


def test_an_item_alone_in_its_class_is_still_a_neighbour() -> None:
    x = np.array([[1, 0], [0, 1], [0.9, 0.1]], np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    assert leave_one_out(x, ["a", "a", "alone"]).recall_at_1 == 0


@pytest.mark.parametrize("labels", [["a", "b", "c"], [None, "", "a"], ["a"], ["a"] * 4])
def test_what_cannot_be_measured(labels: list[str | None]) -> None:
    with pytest.raises(UsageError):
        leave_one_out(unit(0, 3, 4), labels)


def test_not_finite() -> None:
    with pytest.raises(UsageError, match="finite"):
        leave_one_out(np.full((3, 2), np.nan, np.float32), ["a"] * 3)


def test_knn_of_another_set_against_loops() -> None:
    train, test = unit(1, 50, 4), unit(2, 30, 4)
    generator = np.random.default_rng(0)
    y = [f"c{n}" for n in generator.integers(0, 4, 50)]
    z = [f"c{n}" for n in generator.integers(0, 4, 30)]
    k = neighbours(50, 4)
    right = 0
    for vector, label in zip(test, z, strict=True):
        similar = train @ vector
        nearest = sorted(range(50), key=lambda at, s=similar: (-s[at], at))[:k]  # type: ignore[misc]
        votes = dict.fromkeys(sorted(set(y)), 0.0)
        for at in nearest:
            votes[y[at]] += exp(float(similar[at]) / 0.1)
        right += max(votes, key=lambda name, v=votes: v[name]) == label  # type: ignore[misc]
    assert knn_accuracy(train, y, test, z) == right / 30


@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share_and_stays_inside(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


def test_wilson_known_value() -> None:
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_covers() -> None:
    n, shares = 40, np.linspace(0.05, 0.95, 181)
    bounds = [wilson_interval(k, n) for k in range(n + 1)]
    covered = [
        sum(
            comb(n, k) * p**k * (1 - p) ** (n - k)
            for k, (low, high) in enumerate(bounds)
            if low <= p <= high
        )
        for p in shares
    ]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 10**6))
@settings(deadline=None)
def test_histogram_against_loops(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    counts: dict[int, int] = {}
    for red, green, blue in pixels.reshape(-1, 3).tolist():
        colour = 64 * (red // 32) + 8 * (green // 32) + blue // 32
        counts[colour] = counts.get(colour, 0) + 1
    expected = np.zeros(512)
    for colour, count in counts.items():
        expected[colour] = (count / (height * width)) ** 0.5
    found = rgb_histogram(pixels)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_histogram_is_blind_to_place_and_size() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 10, 3), np.uint8)
    turned = np.repeat(pixels[::-1], 2, axis=0)
    assert np.allclose(rgb_histogram(pixels), rgb_histogram(turned))


def test_one_class_measures_nothing() -> None:
    """Every result would be right: 100 % with an interval from 94 % on was what evaluate said."""
    vectors = np.eye(8, dtype=np.float32)
    for labels in (["a"] * 8, ["a"] * 7 + [None]):
        with pytest.raises(UsageError, match="nothing is measured"):
            leave_one_out(vectors, labels)
        with pytest.raises(UsageError, match="nothing is measured"):
            compare_paired(vectors, vectors, labels)
