"""The Copies tab: its handlers, called as Gradio calls them, and in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from clr_search.app.copies.tab import CopiesTab
from clr_search.app.copies.view import View
from clr_search.app.explorer import Explorer
from PIL import Image
from playwright.sync_api import Browser, expect

from clr_search import images
from clr_search.analysis.duplicates import find_duplicates
from clr_search.app.copies.review import Remark, Review
from clr_search.app.main import Access, serving
from clr_search.errors import ClrSearchError
from clr_search.index import Index
from tests.analysis.test_copy_thresholds import scene
from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture


@pytest.fixture
def copied(tiny_encoder: Path, tmp_path: Path) -> Path:
    """Six pictures; one has a copy whose name is HTML, another two copies."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(scene(200 + number)).save(folder / f"{number}.png")
    shutil.copy(folder / "2.png", folder / "2 <b>&copy.png")
    shutil.copy(folder / "4.png", folder / "4 again.png")
    with Image.open(folder / "4.png") as picture:
        picture.save(folder / "4.jpg", quality=80)
    with Index.create(tmp_path / "copied.clr", tiny_encoder) as index:
        index.update([folder])
    return tmp_path / "copied.clr"


@pytest.fixture
def tab(copied: Path) -> Iterator[CopiesTab]:
    with Index.open(copied) as index, gr.Blocks(analytics_enabled=False):
        explorer = Explorer(index, seed=0)
        yield CopiesTab(explorer, Review(copied, explorer.workers.load))
        explorer.close()


def at(index: object) -> gr.EventData:
    return gr.EventData(None, {"index": index})


def found(collection: Path) -> list[set[str]]:
    with Index.open(collection) as index:
        groups = find_duplicates(index).groups
    return [{copy.item.path.name for copy in group.copies} for group in groups]


def shown(tab: CopiesTab) -> View:
    *_, last = tab.on_find()
    view = last[tab.view]
    assert isinstance(view, View)
    return view


def test_groups_are_shown_and_remarks_are_remembered(tab: CopiesTab, copied: Path) -> None:
    view = shown(tab)
    html = view.html()
    assert "2 &lt;b&gt;&amp;copy.png" in html
    assert "<b>&copy" not in html
    assert html.count("data:image/jpeg;base64,") == 5
    assert [len(remark.numbers) for remark in view.remarks] == [3, 1, 1, 1, 2]
    pair = len(view.remarks) - 1
    said = tab.on_say(view, at(pair))
    assert "Remembered" in said[tab.status]
    assert 'aria-pressed="true">Remembered: take it back' in said[tab.groups]
    assert found(copied) == [{"4.png", "4 again.png", "4.jpg"}]
    undone = tab.on_say(said[tab.view], at(pair))
    assert "Forgotten" in undone[tab.status]
    assert len(found(copied)) == 2


def test_one_picture_of_three_is_no_copy(tab: CopiesTab, copied: Path) -> None:
    view = shown(tab)
    (jpeg,) = (p for p in view.groups[0].pictures if p.hit.name == "4.jpg")
    tab.on_say(view, at(jpeg.remark))
    assert {"4.png", "4 again.png"} in found(copied)


@pytest.mark.parametrize("place", [-1, 5, 10**9, "3", True, None, {}])
def test_other_places_change_nothing(tab: CopiesTab, copied: Path, place: object) -> None:
    view = shown(tab)
    assert tab.on_say(view, at(place)) == {}
    assert len(found(copied)) == 2


def test_while_another_process_writes_the_tab_says_so(tab: CopiesTab, copied: Path) -> None:
    view = shown(tab)
    with Index.open(copied, writable=True):
        said = tab.on_say(view, at(0))
    assert 'role="alert"' in said[tab.status]
    assert tab.view not in said


def test_who_is_not_known_cannot_write(copied: Path) -> None:
    with Index.open(copied) as index:
        review = Review(index.path, images.load, may_remember=False)
        with pytest.raises(ClrSearchError, match="everybody in the network") as caught:
            review.remember(Remark((1, 2)))
    assert "--auth" in caught.value.remedy


@pytest.mark.parametrize(
    ("host", "access", "known"),
    [("127.0.0.1", Access(), True), ("0.0.0.0", Access(open_to_all=True), False)],
)
def test_known_are_this_machine_and_logins(host: str, access: Access, known: bool) -> None:
    assert access.is_known(host) == known


@pytest.mark.browser
def test_in_a_browser(chromium: Browser, copied: Path) -> None:
    with serving(copied) as url:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        page.get_by_role("tab", name="Copies").click()
        page.get_by_role("button", name="Find copies").click()
        status = page.locator("#clr-copies-status [role=status]")
        expect(status).to_contain_text("2 groups of copies among 9 images; 3 could go.")
        button = page.get_by_role("button", name="Not copies, or keep all").last
        button.click()
        expect(status).to_contain_text("Remembered in the collection")
        expect(page.get_by_role("button", name="Remembered: take it back")).to_have_count(1)
        page.close()
    assert found(copied) == [{"4.png", "4 again.png", "4.jpg"}]
