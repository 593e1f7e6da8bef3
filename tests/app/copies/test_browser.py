"""The Copies tab as a person uses it, in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from clr_search.analysis.duplicates import find_duplicates
from clr_search.app.main import serving
from clr_search.index import Index
from tests.app.test_accessibility import AXE, RUN
from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser


def found(collection: Path) -> list[set[str]]:
    with Index.open(collection) as index:
        groups = find_duplicates(index).groups
    return [{copy.item.path.name for copy in group.copies} for group in groups]


def opened(chromium: Browser, url: str) -> Page:
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{url}?tab=copies")
    return page


def require_clean(page: Page) -> None:
    """Let axe look at the page, where it is installed."""
    if AXE.is_file():
        page.evaluate(AXE.read_text())
        assert page.evaluate(RUN) == []


def test_a_person_looks_through_copies(chromium: Browser, copied: Path, tmp_path: Path) -> None:
    with serving(copied) as url:
        page = opened(chromium, url)
        page.get_by_role("button", name="Find copies").click()
        status = page.locator(".clr-copies-head .clr-status")
        expect(status).to_contain_text("2 groups of copies among 9 pictures")
        expect(status).to_contain_text("3 files could go")
        first, second = (
            page.locator(".clr-copy-group").nth(0),
            page.locator(".clr-copy-group").nth(1),
        )
        expect(first.locator(".clr-pic")).to_have_count(3)
        expect(second).to_contain_text("2 <b>&copy.png")  # a name is a name
        expect(second).to_contain_text("the same file")

        jpeg = first.locator(".clr-pic", has_text="4.jpg")
        expect(jpeg).to_contain_text("JPEG")  # what differs comes a moment later
        expect(jpeg).to_have_class(re.compile("clr-goes"))
        jpeg.get_by_role("button", name="Only this: 4.jpg").click()
        expect(jpeg).to_have_class(re.compile("clr-stays"))
        expect(first.locator(".clr-goes")).to_have_count(2)

        require_clean(page)
        second.get_by_role("button", name="Not copies, or keep all").click()
        expect(second).to_contain_text("Remembered")
        require_clean(page)
        assert found(copied) == [{"4.png", "4 again.png", "4.jpg"}]
        with page.expect_download() as download:
            page.get_by_role("button", name="List of paths").click()
        names = {Path(line).name for line in Path(download.value.path()).read_text().splitlines()}
        assert names == {"4.png", "4 again.png"}
        expect(page.locator(".clr-took")).to_contain_text("2 files")
        second.get_by_role("button", name="Undo").click()
        expect(second.get_by_role("button", name="Not copies, or keep all")).to_be_visible()
        assert len(found(copied)) == 2

        page.reload()  # what was found and marked is still there
        expect(page.locator(".clr-copy-group")).to_have_count(2)
        expect(page.locator(".clr-copy-group").first.locator(".clr-goes")).to_have_count(2)
        page.close()


def test_two_pictures_are_compared_by_the_keyboard(chromium: Browser, copied: Path) -> None:
    with serving(copied) as url:
        page = opened(chromium, url)
        page.get_by_role("button", name="Find copies").press("Enter")
        first = page.locator(".clr-copy-group").first
        jpeg = first.locator(".clr-pic", has_text="4.jpg")
        jpeg.locator(".clr-pic-look").press("k")
        expect(first.locator(".clr-goes")).to_have_count(2)
        jpeg.locator(".clr-pic-look").press("g")  # one of a group stays
        expect(first).to_contain_text("One picture of a group stays")
        jpeg.locator(".clr-pic-look").press("Enter")
        dialog = page.get_by_role("dialog", name="Compare two pictures")
        expect(dialog).to_be_visible()
        expect(dialog).to_contain_text("4.jpg")
        assert "pair=" in page.url
        page.keyboard.press("4")
        expect(dialog.get_by_role("button", name="Difference")).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(dialog).to_contain_text("four times as bright")
        require_clean(page)
        before = page.url
        page.keyboard.press("ArrowRight")
        page.wait_for_url(lambda url: url != before)
        page.reload()
        expect(page.get_by_role("dialog", name="Compare two pictures")).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.wait_for_url(lambda url: "pair=" not in url)  # the closing is told of afterwards
        page.close()
