"""A training that was given a time ends in it, whatever the machine does meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.train.optimization.pace import Pace, Schedule


class Clock:
    """A clock that moves only when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def run(pace: Pace, clock: Clock, seconds_a_step: Callable[[int], float]) -> int:
    """Take steps until the schedule ends; their number."""
    step = 0
    while step < pace.schedule.end:
        clock.now += seconds_a_step(step)
        step += 1
        pace.keep(step)
    return step


def test_an_unchanged_schedule_gives_each_step_its_own_place() -> None:
    schedule = Schedule(997, 997)
    assert [schedule.at(step) for step in range(998)] == list(range(998))
    assert not schedule.shortened


def test_a_change_goes_on_where_the_schedule_was_and_ends_at_its_end() -> None:
    schedule = Schedule(1000, 1000).ending_at(300, 500).ending_at(400, 450)
    assert schedule.at(400) == pytest.approx(650)
    assert schedule.at(450) == pytest.approx(1000)
    assert schedule.shortened


def test_without_a_time_or_in_time_nothing_changes() -> None:
    for seconds in (None, 101.0):
        clock = Clock()
        pace = Pace(100, seconds, clock)
        assert run(pace, clock, lambda step: 1.0) == 100
        assert pace.schedule == Schedule(100, 100)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(5, 2000),
    st.floats(0.05, 20.0),
    st.floats(0.05, 20.0),
    st.floats(0.0, 1.0),
)
def test_it_ends_in_time_or_a_step_later_and_the_place_never_falls(
    planned: int, first: float, then: float, share: float
) -> None:
    clock, seconds = Clock(), float(planned)
    pace = Pace(planned, seconds, clock)
    places = []

    def cost(step: int) -> float:
        places.append(pace.schedule.at(step))
        return first if clock.now < share * seconds else then

    steps = run(pace, clock, cost)
    assert 1 <= steps <= planned
    assert clock.now <= seconds + max(first, then) + 1e-6
    assert places == sorted(places)


def test_slow_all_along_it_still_comes_to_the_end_of_the_schedule() -> None:
    clock = Clock()
    pace = Pace(10_000, 1000.0, clock)
    steps = run(pace, clock, lambda step: 0.5)
    assert steps == pytest.approx(2000, rel=0.03)  # the time is used
    assert pace.schedule.at(steps) == pytest.approx(10_000)


def test_quick_again_it_is_stretched_again() -> None:
    clock = Clock()
    pace = Pace(1000, 1000.0, clock)
    steps = run(pace, clock, lambda step: 10.0 if step < 10 else 0.5)
    assert steps == 1000  # 900 seconds are left for 990 steps of half a second


def test_going_on_it_counts_what_earlier_starts_took() -> None:
    clock = Clock()
    pace = Pace(1000, 100.0, clock)
    pace.start(400, 90.0, Schedule(1000, 500, 200, 300.0))
    assert pace.schedule.end == 500
    assert pace.elapsed == 90
    clock.now += 10.5
    assert pace.keep(401)
    assert pace.schedule.end == 401
