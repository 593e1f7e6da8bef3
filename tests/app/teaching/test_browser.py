"""The Label tab in a real Chromium: what a person does, and what is seen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from clr_search.app.main import serving
from clr_search.index import Index
from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def own(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the collection, which may be labelled."""
    return shutil.copytree(collection, tmp_path_factory.mktemp("taught") / "colours.clr")


@pytest.fixture(scope="module")
def own_address(own: Path, probe: Path) -> Iterator[str]:
    with serving(own, probe=probe) as url:
        yield url


@pytest.fixture
def page(chromium: Browser, own: Path, own_address: str) -> Iterator[Page]:
    """The tab, of a collection without labels; nothing may fail in it."""
    with Index.open(own, writable=True) as index:
        index.label({})
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(f"{own_address}?tab=label")
    expect(status(page)).to_have_text(re.compile("^0 of 36 pictures labelled"))
    yield page
    context.close()
    assert not failed


def status(page: Page) -> Locator:
    return page.locator(".clr-label .clr-status")


def tiles(page: Page) -> Locator:
    return page.locator(".clr-label .clr-tile")


def name_class(page: Page, name: str) -> None:
    page.get_by_label("Name a class").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator(".clr-class-name", has_text=name)).to_be_visible()


def labels(own: Path) -> dict[str, str]:
    with Index.open(own) as index:
        return {i.path.name: i.label for i in index.items(index.ids()) if i.label}


def test_from_nothing_to_a_classifier(page: Page, own: Path, pictures: Path) -> None:
    """Names, keys over proposals, new proposals by themselves, a classifier, its file."""
    for name in ("red", "green", "blue"):
        name_class(page, name)
    keys = {"red": "1", "green": "2", "blue": "3"}
    tiles(page).first.focus()
    for _ in range(24):
        focused = page.locator(".clr-label .clr-tile:focus .clr-name")
        name = focused.inner_text()
        page.keyboard.press(keys[name[:-6]])
        expect(page.locator(f"li:has(.clr-tile[title$='{name}']) .clr-badge")).to_have_count(1)
        if name == tiles(page).last.locator(".clr-name").inner_text():
            break
    expect(status(page)).to_have_text(re.compile("^24 of 36"))
    expect(tiles(page)).to_have_count(12)  # all that is left is proposed by itself
    kept = labels(own)
    assert len(kept) == 24
    assert all(file.startswith(label) for file, label in kept.items())
    expect(page.locator(".clr-accuracy")).to_have_text(re.compile(r"^(9\d|100)\s% right$"))
    expect(page.locator(".clr-known")).to_contain_text("By chance 33")
    page.get_by_role("button", name="Make the classifier").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save probe.onnx").click()
    from clr_search.serve import Probe

    assert Probe(saved.value.path()).predict([pictures / "green" / "green00.jpg"]) == ["green"]
    page.get_by_role("button", name="Whole collection").click()
    line = page.locator(".clr-whole-line", has_text="red")
    expect(line).to_contain_text("labelled")
    expect(page.locator(".clr-whole-line")).to_have_count(4)  # with "None of these"


def test_a_click_labels_and_is_undone(page: Page, own: Path) -> None:
    name_class(page, "mine")
    expect(page.locator(".clr-class-door")).to_have_attribute("aria-pressed", "true")
    tiles(page).nth(2).click()
    expect(page.locator(".clr-label .clr-badge")).to_have_text(["mine"])
    expect(page.locator(".clr-class .clr-size")).to_have_text("1")
    tiles(page).nth(4).hover()
    page.keyboard.press("1")
    expect(page.locator(".clr-class .clr-size")).to_have_text("2")
    assert sorted(labels(own).values()) == ["mine", "mine"]
    tiles(page).nth(2).click()  # a second click takes it away
    expect(page.locator(".clr-label .clr-badge")).to_have_count(1)
    page.keyboard.press("z")
    expect(page.locator(".clr-label .clr-badge")).to_have_count(2)
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(page.locator(".clr-label .clr-badge")).to_have_count(0)
    expect(page.locator(".clr-class .clr-size")).to_have_text("0")
    assert labels(own) == {}


def test_without_a_class_a_click_only_looks(page: Page, own: Path) -> None:
    tiles(page).first.click()
    expect(page.get_by_role("dialog", name="Picture")).to_be_visible()
    page.keyboard.press("Escape")
    tiles(page).first.hover()
    page.keyboard.press("5")  # no class has this key
    assert labels(own) == {}


def test_chosen_pictures_are_labelled_together(page: Page, own: Path) -> None:
    name_class(page, "several")
    page.locator(".clr-class-door").click()  # active no more
    tiles(page).nth(1).focus()
    page.keyboard.press("x")
    tiles(page).nth(5).click(modifiers=["Shift"])
    page.locator(".clr-class-door").click()
    expect(page.locator(".clr-class .clr-size")).to_have_text("5")
    expect(page.locator(".clr-label .clr-badge")).to_have_count(5)
    expect(page.locator(".clr-chosen-bar")).to_be_hidden()
    assert len(labels(own)) == 5


def test_cells_tables_and_the_address(page: Page, own: Path, own_address: str) -> None:
    with Index.open(own, writable=True) as index:
        items = index.items(index.ids())
        index.label(
            {i.id: "blue" if i.path.name == "red00.jpg" else i.path.parent.name for i in items}
        )
    page.get_by_role("button", name="Confusions").click()
    page.get_by_role("button", name="1 picture of blue taken for red").click()
    expect(status(page)).to_have_text("1 picture of blue, taken for red")
    expect(tiles(page).locator(".clr-name")).to_have_text(["red00.jpg"])
    assert page.url.endswith("?tab=label&show=cell&of=blue&as=red")
    page.reload()
    expect(tiles(page).locator(".clr-name")).to_have_text(["red00.jpg"])
    page.go_back()
    expect(page.locator(".clr-matrix")).to_be_visible()
    page.get_by_role("button", name="Likely mislabelled").click()
    expect(tiles(page).locator(".clr-said")).to_have_text([re.compile("^or red")])
    page.get_by_role("button", name="More about blue").click()
    page.get_by_label("New name").fill("cold")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator(".clr-class-name").first).to_have_text("cold")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save labels (CSV)").click()
    assert saved.value.path().read_text().count(",cold") == 13
    page.locator(".clr-label input[type=file][accept*=csv]").set_input_files(
        files=[
            {
                "name": "my.csv",
                "mimeType": "text/csv",
                "buffer": b"path,label\nred00.jpg,red\nnowhere.jpg,x\n",
            }
        ]
    )
    told = page.get_by_role("dialog", name="Labels from a table")
    expect(told).to_contain_text("my.csv gave labels to 1 picture")
    expect(told).to_contain_text("Line 3: nowhere.jpg: not in the collection")
    page.get_by_role("button", name="Close").click()
    assert labels(own)["red00.jpg"] == "red"
    page.goto(f"{own_address}?tab=label")
    expect(page.locator(".clr-label .clr-empty")).to_contain_text("Every picture has a label")


def test_what_is_this(page: Page, own_address: str, pictures: Path) -> None:
    """By the classifier that the app was started with: there is no label."""
    page.get_by_role("button", name="What is this?").click()
    expect(page.locator(".clr-classify")).to_contain_text("Bring a picture")
    page.locator(".clr-classify input[type=file]").set_input_files(
        str(pictures / "blue" / "blue02.jpg")
    )
    expect(page.locator(".clr-taken h2")).to_have_text("blue")
    expect(page.locator(".clr-taken")).to_contain_text("On pictures kept aside, it was right")
    assert "show=one" in page.url
    page.get_by_role("button", name="Search for pictures like it").click()
    expect(page.locator(".clr-search .clr-chip b")).to_have_text("blue02.jpg")
    page.go_back()
    expect(page.locator(".clr-taken h2")).to_have_text("blue")


def test_a_phone_shows_pictures_at_once(
    chromium: Browser, page: Page, own_address: str, own: Path
) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    phone = context.new_page()
    phone.set_default_timeout(PATIENCE)
    phone.goto(f"{own_address}?tab=label")
    expect(tiles(phone).first).to_be_visible()
    box = tiles(phone).first.bounding_box()
    assert box is not None
    assert box["y"] < 480
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    name_class(phone, "touched")
    phone.evaluate("window.scrollTo(0, 700)")
    expect(phone.locator(".clr-class-door")).to_be_in_viewport()  # classes stay at hand
    tiles(phone).nth(6).tap()
    expect(phone.locator(".clr-class .clr-size")).to_have_text("1")
    context.close()
    assert len(labels(own)) == 1
