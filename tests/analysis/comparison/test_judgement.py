"""Two pictures compared by their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from bench.drawn import DRAWN
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import Finding, Verdict, compare
from clr_search.analysis.comparison.overlay import Sketch, placed
from clr_search.analysis.copy_thresholds import re_encoded


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


def invoice(number: str, scale: int = 1) -> Image.Image:
    """A page that differs from others in its number only."""
    page = Image.new("RGB", (620 * scale, 877 * scale), "white")
    draw = ImageDraw.Draw(page)
    draw.text((50 * scale, 50 * scale), "INVOICE", 0, ImageFont.load_default(26 * scale))
    font = ImageFont.load_default(13 * scale)
    draw.text((50 * scale, 120 * scale), f"No. {number}", 0, font)
    for row in range(14):
        y = (220 + 36 * row) * scale
        draw.rectangle((50 * scale, y, 570 * scale, y + 36 * scale), outline=90)
        draw.text((60 * scale, y + 9), f"Position {row + 1}, as ordered", 0, font)
        draw.text((440 * scale, y + 9), f"{10 + row * 7919 % 900 / 10:.2f}", 0, font)
    return page


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("digits", ["08", "17", "68", "23", "56", "09"])
@pytest.mark.parametrize("is_encoded", [False, True])
def test_one_other_digit_is_another_page(scale: int, digits: str, is_encoded: bool) -> None:
    one, other = (invoice(f"48213{digit}", scale) for digit in digits)
    again = invoice(f"48213{digits[0]}", scale)
    if is_encoded:
        other, again = re_encoded(other), re_encoded(again)
    assert compared(one, other).finding is Finding.DIFFERENT
    assert compared(one, again).finding is Finding.COPY


def signal(colour: tuple[int, int, int]) -> Image.Image:
    """A sign with one small lamp."""
    sign = DRAWN["icons"](2, 1).copy()
    ImageDraw.Draw(sign).ellipse((40, 66, 56, 82), fill=colour)
    return sign


def test_a_lamp_in_another_colour_of_the_same_brightness_is_another_sign() -> None:
    red, green = signal((210, 40, 40)), signal((0, 148, 0))
    assert compared(red, green).finding is Finding.DIFFERENT
    assert compared(red, re_encoded(red)).finding is Finding.COPY
    assert compared(green, re_encoded(green)).finding is Finding.COPY


def test_a_detail_holds_few_sizes_and_says_how_many_bytes() -> None:
    detail = Detail(np.asarray(DRAWN["renderings"](1, 0)))
    for side in range(20, 60):
        assert detail.at((side, side)).size == (side, side)
    assert detail.at((50, 50)) is detail.at((50, 50))
    assert len(detail._reduced) <= 8
    assert detail.bytes_held == 2 * 3 * 320 * 240
    assert Detail(np.full((40, 60, 3), 128, np.uint8)).bytes_held == 2 * 40 * 60
