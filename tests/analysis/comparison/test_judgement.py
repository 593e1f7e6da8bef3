"""Two pictures compared by their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bench.drawn import DRAWN
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import Finding, Verdict, compare
from clr_search.analysis.comparison.overlay import Sketch, placed


def compared(one: Image.Image, other: Image.Image) -> Verdict:
    first, second = (np.asarray(picture.convert("RGB")) for picture in (one, other))
    return compare(Detail(first), Detail(second), placed(Sketch(first), Sketch(second)))


@pytest.mark.parametrize("kind", ["text pages", "forms", "scans", "icons", "renderings", "medical"])
def test_a_copy_and_the_next_of_its_kind(kind: str) -> None:
    one = DRAWN[kind](2, 3)
    smaller = one.resize(
        (round(0.8 * one.width), round(0.8 * one.height)), Image.Resampling.BICUBIC
    )
    assert compared(one, smaller).finding is Finding.COPY
    assert compared(smaller, one).finding is Finding.COPY
    assert compared(one, DRAWN[kind](3, 3)).finding is Finding.DIFFERENT


def test_a_grey_copy_of_a_coloured_picture() -> None:
    one = DRAWN["renderings"](2, 3)
    assert compared(one, one.convert("L")).finding is Finding.COPY
    red, green, blue = one.split()
    assert compared(one, Image.merge("RGB", (blue, green, red))).finding is Finding.DIFFERENT


def test_a_detail_holds_few_sizes_and_says_how_many_bytes() -> None:
    detail = Detail(np.asarray(DRAWN["renderings"](1, 0)))
    for side in range(20, 60):
        assert detail.at((side, side)).size == (side, side)
    assert detail.at((50, 50)) is detail.at((50, 50))
    assert len(detail._reduced) <= 8
    assert detail.bytes_held == 2 * 3 * 320 * 240
    assert Detail(np.full((40, 60, 3), 128, np.uint8)).bytes_held == 2 * 40 * 60
