"""The learning rate by step, and the side of views by epoch."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.train.optimization.schedule import learning_rate_at, relative_cost, view_side_at


def test_schedule_rises_then_falls_once() -> None:
    rates = [
        learning_rate_at(step, peak=2.0, warmup_steps=10, total_steps=110) for step in range(111)
    ]
    assert rates[0] == pytest.approx(0.2)
    assert rates[9] == pytest.approx(2.0)
    assert rates[10] == pytest.approx(2.0)
    assert rates[60] == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.0)
    assert all(a < b for a, b in itertools.pairwise(rates[:10]))
    assert all(a >= b for a, b in itertools.pairwise(rates[9:]))


def test_schedule_without_warmup_begins_at_the_peak() -> None:
    assert learning_rate_at(0, peak=3.0, warmup_steps=0, total_steps=5) == 3.0
    assert learning_rate_at(0, peak=3.0, warmup_steps=0, total_steps=1) == 3.0


def test_views_grow_to_their_full_side() -> None:
    sides = [view_side_at(e, first=64, full=128, total_epochs=100) for e in range(100)]
    assert sides[:2] == [64, 72]
    assert sides[37] == 96
    assert sides[74] == 128
    assert sides[75:] == [128] * 25


def test_views_that_do_not_grow_have_their_side_from_the_start() -> None:
    assert {view_side_at(e, first=None, full=65, total_epochs=9) for e in range(9)} == {65}
    assert relative_cost(None, 65) == 1


@given(st.integers(8, 300), st.integers(8, 300), st.integers(1, 60))
def test_sides_never_shrink_nor_leave_their_bounds(one: int, other: int, epochs: int) -> None:
    first, full = sorted((one, other))
    sides = [view_side_at(e, first=first, full=full, total_epochs=epochs) for e in range(epochs)]
    assert all(a <= b for a, b in itertools.pairwise(sides))
    assert first <= sides[0] <= sides[-1] == full


def test_cost_goes_by_area() -> None:
    """The mean of (1 + t)² / 4 over the growing three quarters is 7/12; rounding up adds some."""
    assert relative_cost(1024, 2048) == pytest.approx(0.75 * 7 / 12 + 0.25, abs=0.01)
