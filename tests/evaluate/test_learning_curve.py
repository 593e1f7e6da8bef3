"""The learning curve, against what it should be in cases that are known."""

from __future__ import annotations

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.evaluate.learning_curve import learning_curve
from tests.serve.probe.test_model import clusters


def test_more_labels_help_until_all_are_used() -> None:
    found = learning_curve(*clusters(3, 30, spread=2.0, dimension=8), seeds=2)
    assert [step.per_class for step in found.steps] == [1, 2, 5, 10, 20, None]
    assert [step.labels for step in found.steps] == [3, 6, 15, 30, 60, 72]
    assert (found.held_out, found.classes) == (18, 3)
    assert found.chance == found.majority == pytest.approx(1 / 3)
    assert all(len(step.probe) == len(step.knn) == 2 for step in found.steps)
    assert np.mean(found.steps[-1].probe) > np.mean(found.steps[0].probe) + 0.1


def test_far_apart_one_label_is_enough() -> None:
    x = np.repeat(np.eye(4, dtype=np.float32), 10, axis=0)
    x += np.random.default_rng(0).normal(0, 0.01, x.shape).astype(np.float32)
    found = learning_curve(x, [f"{n // 10}" for n in range(40)], seeds=2)
    assert {score for step in found.steps for score in step.probe + step.knn} == {1.0}


def test_without_meaning_it_stays_at_chance() -> None:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(150, 4)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = learning_curve(x, [str(n % 2) for n in range(150)], seeds=2)
    for step in found.steps:
        assert np.mean(step.probe + step.knn) == pytest.approx(0.5, abs=0.15)


def test_majority_is_the_largest_class_and_small_ones_do_not_count() -> None:
    vectors, labels = clusters(3, 10, spread=0.5)
    labels[0] = None
    found = learning_curve(vectors[:22], labels[:22], seeds=2)  # 9, 10 and 2
    assert found.majority == pytest.approx(10 / 19)
    assert found.chance == 1 / 2
    assert found.classes == 2


def test_the_same_again() -> None:
    given = clusters(3, 12, spread=2.0)
    assert learning_curve(*given, seeds=2) == learning_curve(*given, seeds=2)


def test_one_class_has_no_curve() -> None:
    vectors, labels = clusters(1, 10, spread=0.5)
    with pytest.raises(UsageError, match="but there is one"):
        learning_curve(vectors, labels)
    with pytest.raises(UsageError, match="but there are none"):
        learning_curve(vectors, [None] * 10)
