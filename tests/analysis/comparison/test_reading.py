"""Pages that look the same, of which one letter or digit may be another."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from bench.drawn import DRAWN
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import Finding, compare
from clr_search.analysis.comparison.overlay import Sketch, placed
from clr_search.analysis.comparison.reading import is_page
from clr_search.analysis.duplicates import find_duplicates
from clr_search.index import Index


def page(amount: str) -> Image.Image:
    """A page of a text, with an amount in one of its lines."""
    page = DRAWN["text pages"](4, 1).convert("RGB")
    draw = ImageDraw.Draw(page)
    draw.rectangle((50, 398, 570, 415), fill="white")
    draw.text((50, 400), f"to be paid until april {amount}", 0, ImageFont.load_default(14))
    return page


def form(amount: str) -> Image.Image:
    """A form of ruled lines, with an amount in one of its rows."""
    form = DRAWN["forms"](0, 0).convert("RGB")
    draw = ImageDraw.Draw(form)
    draw.rectangle((430, 223, 565, 253), fill="white")
    draw.text((440, 229), amount, 0, ImageFont.load_default(15))
    return form


def copied(picture: Image.Image, scale: float, quality: int) -> Image.Image:
    size = (round(scale * picture.width), round(scale * picture.height))
    buffer = BytesIO()
    picture.resize(size, Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def found(one: Image.Image, other: Image.Image) -> Finding:
    first, second = np.asarray(one), np.asarray(other)
    start = placed(Sketch(first), Sketch(second))
    return compare(Detail(first), Detail(second), start, reads=True).finding


@pytest.mark.parametrize(("scale", "quality"), [(0.4, 90), (0.5, 75), (0.75, 90), (0.9, 75)])
def test_one_other_digit_on_a_smaller_page_is_no_sure_copy(scale: float, quality: int) -> None:
    one = page("5831.70")
    assert found(one, copied(one, scale, quality)) is Finding.UNREAD
    other = found(one, copied(page("5881.70"), scale, quality))
    assert other in (Finding.UNREAD, Finding.DIFFERENT)


@pytest.mark.parametrize("quality", [90, 95])
def test_a_page_that_is_only_encoded_again_is_a_sure_copy(quality: int) -> None:
    assert found(page("5831.70"), copied(page("5831.70"), 1, quality)) is Finding.COPY
    assert found(page("5831.70"), copied(page("5881.70"), 1, quality)) is Finding.DIFFERENT


@pytest.mark.parametrize("quality", [75, 95])
def test_ruled_lines_do_not_hide_a_digit(quality: int) -> None:
    """A map found along ruled lines alone is not exact, and would blur all letters of the page."""
    assert found(form("508.20"), copied(form("508.26"), 1, quality)) is Finding.DIFFERENT
    assert found(form("508.20"), copied(form("508.20"), 1, quality)) is Finding.COPY


def test_what_can_be_read() -> None:
    pages = {kind for kind, draw in DRAWN.items() if is_page(draw(1, 0).convert("L"))}
    assert pages == {"text pages", "forms", "scans"}
    black_on_white = DRAWN["text pages"](1, 0)
    assert is_page(black_on_white.point(lambda value: 255 - value))
    assert not is_page(black_on_white.resize((155, 219)))


def test_a_smaller_page_is_not_proposed_to_go(tiny_encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    page("5831.70").save(folder / "page.png")
    copied(page("5881.70"), 0.5, 90).save(folder / "smaller.png")
    with Index.create(tmp_path / "pages.clr", tiny_encoder) as index:
        index.update([folder])
        (group,) = find_duplicates(index).groups
    assert [copy.item.path.name for copy in group.copies] == ["page.png", "smaller.png"]
    assert group.could_go == 0
    assert group.copies[1].why == "they cannot be told apart: one letter or digit may be another"
