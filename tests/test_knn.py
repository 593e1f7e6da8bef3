"""The weighted vote, by closed forms and against a loop."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.knn import TEMPERATURE, neighbours, vote


def test_k_is_capped_by_the_classes() -> None:
    assert neighbours(50_000, 10) == 200
    assert neighbours(36, 3) == 12
    assert neighbours(3, 9) == 1
    assert (neighbours(36, 3, 20), neighbours(90, 3, 20)) == (12, 20)


def test_a_tenth_of_a_cosine_is_worth_e_votes() -> None:
    shares = vote(np.array([[0, 1]]), np.array([[0.9, 0.9 - TEMPERATURE]]), 3)
    np.testing.assert_allclose(shares, [[exp(1) / (1 + exp(1)), 1 / (1 + exp(1)), 0]])


def test_who_has_no_class_has_no_vote() -> None:
    shares = vote(np.array([[-1, 1], [-1, -1]]), np.array([[1.0, 0.1], [1.0, 0.1]]), 2)
    np.testing.assert_array_equal(shares, [[0, 1], [0, 0]])


@pytest.mark.parametrize("cosine", [-1.0, 1.0, -np.inf])
def test_no_weight_overflows(cosine: float) -> None:
    """-inf stands where fewer neighbours were found than asked for."""
    shares = vote(np.array([[0, 0 if np.isfinite(cosine) else -1]]), np.array([[1.0, cosine]]), 1)
    np.testing.assert_array_equal(shares, [[1]])


@given(st.integers(0, 2**31), st.integers(1, 9), st.integers(1, 12), st.integers(1, 5))
def test_the_vote_is_that_of_a_loop(seed: int, rows: int, k: int, classes: int) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(-1, classes, (rows, k))
    similarity = generator.uniform(-1, 1, (rows, k)).astype(np.float32)
    shares = vote(labels, similarity, classes)
    for row in range(rows):
        votes = [0.0] * classes
        for label, cosine in zip(labels[row], similarity[row], strict=True):
            if label >= 0:
                votes[label] += exp(float(cosine) / 0.1)
        total = sum(votes) or 1.0
        np.testing.assert_allclose(shares[row], [one / total for one in votes], rtol=1e-9)
