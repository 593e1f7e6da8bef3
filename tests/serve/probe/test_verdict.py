"""What a picture is taken for, from probabilities and novelty."""

from __future__ import annotations

import numpy as np
import pytest

from clr_search.serve.probe.verdict import NOVELTY, verdicts

ROWS = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], np.float32)


def test_the_greatest_first_and_equal_ones_in_the_order_of_the_classes() -> None:
    first, second = verdicts(["a", "b", "c"], ROWS, None)
    assert [name for name, _ in first.shares] == ["b", "c", "a"]
    assert [name for name, _ in second.best(2)] == ["a", "b"]
    assert sum(share for _, share in first.shares) == pytest.approx(1)


def test_what_cannot_be_told_is_neither_known_nor_unknown() -> None:
    assert [one.known for one in verdicts(["a", "b", "c"], ROWS, None)] == [None, None]
    told = verdicts(["a", "b", "c"], ROWS, np.array([1.0, 1.01], np.float32))
    assert [(one.known, one.measure) for one in told] == [(True, NOVELTY), (False, NOVELTY)]
