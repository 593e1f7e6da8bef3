"""A picture gets what its pixels ask for, and never more than the limits."""

from __future__ import annotations

import math

import pytest

from clr_search.errors import UsageError
from clr_search.images.isolation import DecodingLimits
from clr_search.images.isolation.limits import ENFORCES_MEMORY, ENFORCES_SECONDS, Meter


def test_a_small_picture_gets_50_megabytes_and_a_fifth_of_a_second() -> None:
    limits = DecodingLimits()
    assert 50e6 <= limits.memory_for(64, 1000) < 50.1e6
    assert limits.seconds_for(64, 1000) == pytest.approx(0.2, abs=1e-3)


def test_more_pixels_and_more_bytes_get_more_up_to_the_limit() -> None:
    limits = DecodingLimits(memory=1e9, seconds=2)
    assert limits.memory_for(0, 0) < limits.memory_for(10**6, 0) < limits.memory_for(10**6, 10**6)
    assert limits.seconds_for(0, 0) < limits.seconds_for(10**6, 0) < limits.seconds_for(10**7, 0)
    assert limits.memory_for(10**8, 0) == 10**9
    assert limits.seconds_for(10**8, 0) == 2
    assert DecodingLimits(memory=math.inf).memory_for(10**8, 0) > 3e9


def test_a_slow_machine_gets_more_time() -> None:
    limits = DecodingLimits()
    assert limits.seconds_for(10**6, 0, pace=3) == pytest.approx(3 * limits.seconds_for(10**6, 0))


def test_the_pace_is_how_much_longer_a_machine_takes() -> None:
    assert Meter(DecodingLimits(), lambda: None, usual=1.0).pace == 1
    slow = Meter(DecodingLimits(), lambda: sum(range(100_000)), usual=1e-9)
    assert slow.pace > 100


@pytest.mark.parametrize("values", [(0, 1), (1, 0), (-1, 1), (math.nan, 1), (1, math.nan)])
def test_impossible_limits_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        DecodingLimits(*values)


def test_every_system_is_told_what_it_enforces() -> None:
    assert ENFORCES_SECONDS or not ENFORCES_MEMORY
