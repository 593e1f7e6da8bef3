"""The map by which one picture lies over another."""

from __future__ import annotations

import numpy as np
import pytest

from bench.drawn import DRAWN
from clr_search.analysis.comparison.registration import (
    IDENTITY,
    deviations,
    refined,
    warped,
    within,
)


@pytest.mark.parametrize(
    "to",
    [
        [[1, 0, 2], [0, 1, -1]],
        [[1.004, 0, -0.5], [0, 1.004, -0.5]],
        [[1, 0.004, -0.6], [-0.004, 1, 0.6]],
        [[1, 0, 0], [0, 1, 0]],
    ],
)
def test_a_known_map_is_found_to_a_part_of_a_pixel(to: list[list[float]]) -> None:
    picture = DRAWN["scans"](3, 0).crop((100, 100, 420, 420))
    known = np.array(to, dtype=float)
    moved = np.asarray(warped(picture, known, picture.size), np.float32)
    found = refined(moved, np.asarray(picture, np.float32), 16, 3)
    assert found is not None
    corners = np.array([[20, 20, 1], [300, 20, 1], [20, 300, 1], [300, 300, 1]])
    assert np.abs(corners @ (found - known).T).max() < 0.5


def test_pages_of_one_form_lie_as_they_do() -> None:
    """The entries that differ do not bend the map."""
    one, other = (np.asarray(DRAWN["forms"](number, 0), np.float32) for number in (1, 2))
    found = refined(one, other, 16, 2)
    assert found is not None
    assert np.array_equal(found, IDENTITY)


def test_nothing_is_found_where_nothing_is() -> None:
    flat = np.full((64, 96), 99, np.float32)
    assert refined(flat, flat, 16, 2) is None


def test_deviations_by_hand() -> None:
    generator = np.random.default_rng(0)
    values = generator.uniform(0, 255, (20, 34)).astype(np.float32)
    expected = [[values[y : y + 8, x : x + 8].std() for x in (0, 8, 16, 24)] for y in (0, 8)]
    assert deviations(values, 8) == pytest.approx(np.array(expected), abs=0.01)


@pytest.mark.parametrize("shift", [0.0, 0.3, -2.0, 7.5])
def test_within_is_where_all_four_pixels_lie_inside(shift: float) -> None:
    to = np.array([[1.0, 0, shift], [0, 1, 0]])
    inside = within((10, 6), to, (12, 6))
    across = np.arange(12) + 0.5 + shift
    assert np.array_equal(inside[0], (across >= 0.5) & (across <= 9.5))
    assert inside.shape == (6, 12)
