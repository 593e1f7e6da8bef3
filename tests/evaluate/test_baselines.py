"""Chance and majority are what orders and guesses without pictures reach: by drawing them."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from clr_search.evaluate import retrieval
from clr_search.evaluate.baselines import chance_of, majority_of
from clr_search.evaluate.retrieval import leave_one_out, query_scores

SIZES = [[12, 5, 3], [40, 2], [6, 6, 1, 1], [3, 3]]


@pytest.mark.parametrize("sizes", SIZES)
def test_chance_is_the_mean_of_random_orders(sizes: list[int]) -> None:
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(len(sizes)), sizes)
    means = []
    for _ in range(400):
        x = generator.normal(size=(len(y), 60)).astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        means.append(query_scores(x, y)[1].mean(axis=0)[:3])
    found = chance_of(np.array(sizes))
    assert np.mean(means, axis=0) == pytest.approx(astuple(found)[:3], abs=0.02)
    assert found.knn_accuracy == 1 / len(sizes)


@pytest.mark.parametrize("sizes", SIZES)
def test_majority_is_the_largest_class_first(
    sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(len(sizes)), sizes)

    def first(values: np.ndarray) -> np.ndarray:
        """An order in which class 0, the largest, comes first, the query itself last."""
        keys = generator.random(values.shape) + (y != 0) + 9 * np.isneginf(values)
        return np.argsort(keys, axis=1)

    monkeypatch.setattr(retrieval, "_descending", first)
    x = np.ones((len(y), 1), np.float32)
    means = [query_scores(x, y)[1].mean(axis=0)[:3] for _ in range(400)]
    found = majority_of(np.array(sizes))
    assert np.mean(means, axis=0) == pytest.approx(astuple(found)[:3], abs=0.02)
    queries = sum(size for size in sizes if size > 1)
    assert found.knn_accuracy == max(sizes) / queries


def test_they_stand_beside_the_measures() -> None:
    x = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1, 1]]
    found = leave_one_out(x, ["a", "a", "a", "b", "b", "b"])
    assert found.chance == chance_of(np.array([3, 3]))
    assert found.majority == majority_of(np.array([3, 3]))
