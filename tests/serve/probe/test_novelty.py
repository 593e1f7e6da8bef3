"""None of these: distance, threshold and its promise, by hand and by independent references."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given
from hypothesis import strategies as st

from clr_search.serve.probe import novelty
from clr_search.serve.probe.novelty import (
    HELD_OUT,
    LEFT_OUT,
    Distance,
    fit_novelty,
    in_turn,
    threshold,
)


def blobs(
    each: int, seed: int, classes: int = 3, dimension: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Classes around the same centres, whatever the seed of what is drawn."""
    centres = 3 * np.random.default_rng(99).normal(size=(classes, dimension))
    y = np.repeat(np.arange(classes), each)
    stretch = np.array([1.0, 3.0, 0.3, 1.0])[:dimension]
    noise = np.random.default_rng(seed).normal(size=(len(y), dimension)) * stretch
    return centres[y] + noise, y


@pytest.mark.parametrize(
    ("count", "rank"), [(19, 19), (20, 20), (39, 38), (40, 39), (99, 95), (865, 823)]
)
def test_the_quantile_by_hand(count: int, rank: int) -> None:
    distances = np.random.default_rng(0).permutation(np.arange(1, count + 1))
    assert threshold(distances) == rank


@pytest.mark.parametrize("count", [0, 1, 18])
def test_too_few_promise_nothing(count: int) -> None:
    assert threshold(np.arange(count)) is None


@given(st.integers(0, 400), st.integers(1, 30))
def test_the_quantile_is_the_smallest_that_keeps_the_promise(count: int, hundredths: int) -> None:
    found = threshold(np.arange(1, count + 1), hundredths / 100)
    keeping = [
        k for k in range(1, count + 1) if Fraction(k, count + 1) >= 1 - Fraction(hundredths, 100)
    ]
    assert found == (min(keeping) if keeping else None)


def test_new_known_pictures_are_accepted_as_often_as_promised() -> None:
    """Mean over calibrations: within [0.95, 0.95 + 1/(n + 1)], here 0.95 … 0.9667 (n = 59)."""
    new = blobs(400, 0)[0]
    shares = []
    for seed in range(1, 101):
        x, y = blobs(40, seed)
        held = np.zeros(120, bool)
        held[np.random.default_rng(seed).permutation(120)[:59]] = True
        found = fit_novelty(x, y, held)
        assert found is not None
        assert (found.pictures, found.method) == (59, HELD_OUT)
        shares.append(np.mean(found.of(new) <= 1))
    margin = 3 * np.std(shares) / np.sqrt(len(shares))
    assert margin < 0.012
    assert 0.95 - margin < np.mean(shares) < 0.95 + 1 / 60 + margin


def test_the_distance_is_that_of_mahalanobis() -> None:
    from sklearn.covariance import ledoit_wolf

    x, y = blobs(30, 1)
    means = [x[y == one].mean(axis=0) for one in range(3)]
    covariance, _ = ledoit_wolf(
        np.stack([row - means[one] for row, one in zip(x, y, strict=True)]), assume_centered=True
    )
    inverse = np.linalg.inv(covariance)
    queries = np.random.default_rng(2).normal(size=(20, 4)) * 5
    expected = [
        min(float((q - mean) @ inverse @ (q - mean)) ** 0.5 for mean in means) for q in queries
    ]
    np.testing.assert_allclose(Distance.fit(x, y).of(queries), expected)


def test_where_nothing_is_known_of_spread_it_is_that_of_euclid() -> None:
    x = np.eye(4)[:3]
    found = Distance.fit(x, np.arange(3))
    queries = np.random.default_rng(0).normal(size=(9, 4))
    expected = np.linalg.norm(queries[:, None] - x, axis=2).min(axis=1)
    np.testing.assert_allclose(found.of(queries), expected)


def test_directions_without_spread_do_not_blow_up() -> None:
    x, y = blobs(50, 3)
    flat = np.column_stack([x, np.zeros(len(x))])
    one_step = np.zeros((1, 5))
    one_step[0, 4] = 1e-6
    found = Distance.fit(flat, y)
    assert found.of(found.shift + one_step)[0] == pytest.approx(found.of(found.shift[None])[0])


def test_too_few_held_out_ones_are_left_out_in_turn() -> None:
    x, y = blobs(8, 4)
    held = np.arange(24) % 8 == 0
    found = fit_novelty(x, y, held)
    assert found is not None
    assert (found.pictures, found.method) == (24, LEFT_OUT)
    left = [
        Distance.fit(np.delete(x, n, axis=0), np.delete(y, n)).of(x[n : n + 1])[0]
        for n in range(24)
    ]
    assert found.threshold == pytest.approx(sorted(left)[23])  # ⌈25 · 0.95⌉ = 24
    np.testing.assert_allclose(found.distance.of(x), Distance.fit(x, y).of(x))


def test_one_a_class_tells_nothing() -> None:
    assert fit_novelty(np.eye(30), np.arange(30), np.zeros(30, bool)) is None


def test_equal_pictures_tell_nothing() -> None:
    x, y = np.ones((60, 4)), np.arange(60) % 2
    assert fit_novelty(x, y, np.arange(60) // 2 % 2 == 0) is None


@given(st.lists(st.integers(1, 130), min_size=2, max_size=8), st.integers(0, 99))
def test_turns_spare_each_once_and_keep_every_class(sizes: list[int], seed: int) -> None:
    y = np.repeat(np.arange(len(sizes)), sizes)
    y = np.random.default_rng(seed).permutation(y)
    turns = in_turn(y)
    alone = np.bincount(y)[y] == 1
    assert ((turns == -1) == alone).all()
    assert turns.max() < novelty.TURNS
    assert set(turns[~alone]) == set(range(int(turns.max()) + 1))
    for turn in range(int(turns.max()) + 1):
        assert set(y[turns != turn]) == set(range(len(sizes)))
    if (~alone).sum() <= novelty.TURNS:
        assert sorted(turns[~alone]) == list(range((~alone).sum()))


def test_decompositions_take_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """By two, they wait for each other where other programs use the cores: minutes, not seconds."""
    seen: list[int] = []
    plain = np.linalg.eigh

    def counted(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Others, as that of FAISS, may have been loaded since `one_thread` looked for libraries.
        libraries = threadpoolctl.threadpool_info()
        seen.extend(one["num_threads"] for one in libraries if "numpy" in one["filepath"])
        return plain(matrix)

    monkeypatch.setattr(np.linalg, "eigh", counted)
    x, y = blobs(10, 0)
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        fit_novelty(x, y, np.zeros(len(y), bool))
    assert set(seen) == {1}
