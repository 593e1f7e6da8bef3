"""Sketches laid over each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from clr_search.analysis.comparison.overlay import Sketch, placed
from tests.analysis.test_copy_thresholds import scene


@pytest.mark.parametrize("turn", Image.Transpose)
def test_a_turn_is_that_of_the_turned_picture(turn: Image.Transpose) -> None:
    """The cuts of a turned picture are derived from those of the picture, and not made again."""
    one, other = Sketch(scene(1)), Sketch(scene(1)[:110, 4:120])
    expected, found = placed(one, other.turned(turn)), placed(one, other, turn)
    assert found.correlation == pytest.approx(expected.correlation, abs=1e-5)
    assert (found.first, found.second) == (expected.first, expected.second)
    back = placed(Sketch(np.asarray(Image.fromarray(scene(1)).transpose(turn))), one, turn)
    assert back.correlation == pytest.approx(1, abs=1e-3)
