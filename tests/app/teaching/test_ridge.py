"""The classifier that learns at once, held against a slow one that leaves out each picture."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from clr_search.app.teaching import ridge
from clr_search.app.teaching.ridge import fit_ridge, softmax


def blobs(
    each: tuple[int, ...], dimension: int, spread: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(len(each), dimension))
    y = np.repeat(np.arange(len(each)), each)
    x = centres[y] + spread * generator.normal(size=(len(y), dimension))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def scores_without(
    x: NDArray[np.float32], y: NDArray[np.int64], out: int, penalty: float
) -> NDArray[np.float64]:
    """The scores of a picture by weighted ridge regression on all others, by normal equations."""
    counts = np.bincount(y)
    weights = (1 / (len(counts) * counts))[y]
    rest = np.arange(len(y)) != out
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1).astype(np.float64)
    targets = np.eye(len(counts))[y]
    left = (design[rest] * weights[rest, None]).T
    square = left @ design[rest] + penalty * np.diag([*np.ones(x.shape[1]), 0])
    return np.asarray(design[out] @ np.linalg.solve(square, left @ targets[rest]))


@pytest.mark.parametrize(("each", "dimension"), [((6, 9, 4), 5), ((3, 4), 24), ((20, 2), 8)])
@pytest.mark.parametrize("strength", [0.01, 0.3])
def test_leaving_out_is_as_if_it_had_been_fitted_without(
    each: tuple[int, ...], dimension: int, strength: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ridge, "STRENGTHS", (strength,))
    x, y = blobs(each, dimension, 0.8)
    fitted = fit_ridge(x, y)
    counts = np.bincount(y)
    weights = (1 / (len(counts) * counts))[y]
    centred = x - weights @ x
    penalty = strength * float((weights[:, None] * centred**2).sum()) / dimension
    slow = np.stack([scores_without(x, y, at, penalty) for at in range(len(y))])
    expected = softmax(slow.astype(np.float32), fitted.steepness)
    np.testing.assert_allclose(fitted.left_out, expected, atol=2e-4)


def test_a_rare_class_weighs_as_much_as_a_frequent_one() -> None:
    x, y = blobs((300, 6), 16, 0.6)
    taken = fit_ridge(x, y).left_out.argmax(axis=1)
    assert (taken[y == 1] == 1).mean() == 1


def test_the_penalty_is_chosen_by_pictures_that_were_left_out() -> None:
    """With noise, a strong one is better than any that fits the pictures themselves best."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=(60, 40)).astype(np.float32)
    y = np.arange(60) % 2
    noise = fit_ridge(x, y)
    assert np.abs(noise.probabilities(x) - 0.5).max() < 0.5
    assert 0.2 < (noise.left_out.argmax(axis=1) == y).mean() < 0.8


def test_equal_pictures_are_no_failure() -> None:
    x = np.ones((4, 3), np.float32) / np.sqrt(3, dtype=np.float32)
    fitted = fit_ridge(x, np.array([0, 1, 0, 1]))
    np.testing.assert_allclose(fitted.probabilities(x), 0.5, atol=1e-3)
