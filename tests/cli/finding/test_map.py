"""``clr-search map``, and its page in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from clr_search.pictures import overview
from clr_search.pictures.overview import Spot
from tests.browser import chromium
from tests.cli.conftest import Run

__all__ = ["chromium"]  # a fixture


def data_of(page: str) -> dict:  # type: ignore[type-arg]
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    return dict(json.loads(found[1]))


def test_a_page_with_every_picture(run: Run, collection: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.html"
    result = run("map", collection, "--out", out)
    assert "36 pictures of 36" in result.stderr
    data = data_of(out.read_text())
    assert len(data["items"]) == 36
    assert len(data["atlases"]) == 1
    assert {name for name, _ in data["legend"]} == {"red", "green", "blue"}
    run("map", collection, "--out", out, exit_code=2)
    run("map", collection, "--out", out, "--force", "--most", "10")
    assert len(data_of(out.read_text())["items"]) == 10


def test_a_picture(run: Run, collection: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.png"
    run("map", collection, "--out", out)
    with Image.open(out) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture)
    assert pixels.shape == (2400, 2400, 3)
    assert (pixels < 250).any()


def test_a_name_of_another_kind_is_refused(run: Run, collection: Path, tmp_path: Path) -> None:
    assert "map.txt" in run("map", collection, "--out", tmp_path / "map.txt", exit_code=2).stderr


def test_a_misspelt_folder(run: Run, collection: Path, tmp_path: Path) -> None:
    out = tmp_path / "map.html"
    result = run("map", collection, "--out", out, "--under", "gren", exit_code=2)
    assert "lie under gren.\nDid you mean green or red?" in result.stderr
    assert not out.exists()


def test_names_cannot_end_the_data_nor_run(tmp_path: Path) -> None:
    spots = [
        Spot(tmp_path / "</script><script>alert(1)</script>.png", 0.1, 0.2, "<b>"),
        Spot(tmp_path / "@SCRIPT@ \udcff.png", 0.5, 0.5, None),
    ]
    page = overview.page("<i>title</i>", "lead", spots, overview.thumbnails(spots))
    assert page.count("<script") == 2
    assert "<i>" not in page
    assert data_of(page)["items"][0]["path"].endswith("</script><script>alert(1)</script>.png")
    assert "@SCRIPT@" in data_of(page)["items"][1]["path"]


def test_two_at_one_place_are_drawn_once(tmp_path: Path) -> None:
    spots = [Spot(tmp_path / "a.png", 0.5, 0.5, None)] * 2
    tiles = [np.full((56, 56, 3), value, np.uint8) for value in (10, 90)]
    colours = set(np.unique(np.asarray(overview.picture(spots, tiles))).tolist())
    assert colours == {10, 255}


@pytest.mark.browser
def test_in_a_browser_a_picture_is_shown_and_found(
    run: Run, collection: Path, tmp_path: Path, chromium: Browser
) -> None:
    out = tmp_path / "map.html"
    run("map", collection, "--out", out)
    item = data_of(out.read_text())["items"][7]
    page, failures = chromium.new_page(), []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda line: failures.append(line.text))
    page.goto(out.as_uri())
    page.wait_for_function("atlases.every((image) => image.complete)")
    x, y = page.evaluate("(item) => place(item)", item)
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    assert page.locator("#where").text_content() == item["path"]
    before = page.evaluate("view.zoom")
    page.mouse.wheel(0, -300)
    page.wait_for_function(f"view.zoom > {before}")
    page.fill("#find", "red0")
    assert page.evaluate("wanted") == "red0"
    assert failures == []
