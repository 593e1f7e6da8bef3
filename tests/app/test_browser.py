"""The page in a real Chromium: what a person does, and what must never leave this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser

TILES = "#clr-results .clr-tile"
QUERY = "#clr-query figcaption b"
DESKTOP = (1280, 860)
PHONE = (360, 740)


def open_page(chromium: Browser, address: str, size: tuple[int, int]) -> Iterator[Page]:
    """The page, opened; in the end it must have asked only this machine, and not have failed."""
    context = chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, permissions=["camera"]
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    asked: list[str] = []
    failed: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("response", lambda reply: None if reply.ok else failed.append(reply.url))
    page.goto(address)
    expect(page.locator(TILES)).to_have_count(12)
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    # Gradio asks for the progress of an upload from the camera without its name.
    assert [url for url in failed if not url.endswith("upload_progress?upload_id=")] == []


@pytest.fixture
def page(chromium: Browser, address: str) -> Iterator[Page]:
    yield from open_page(chromium, address, DESKTOP)


@pytest.fixture
def phone(chromium: Browser, address: str) -> Iterator[Page]:
    yield from open_page(chromium, address, PHONE)


@pytest.fixture(scope="module")
def red(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upload") / "my own red.png"
    Image.new("RGB", (90, 60), (205, 42, 38)).save(path)
    return path


def names(page: Page) -> list[str]:
    return page.locator(f"{TILES} .clr-name").all_inner_texts()


def upload(page: Page, path: Path, field: str = "#clr-upload") -> None:
    page.set_input_files(f"{field} input[type=file]", str(path))


def test_upload_then_click_through_results_and_back(page: Page, red: Path) -> None:
    status, query = page.locator("#clr-status [role=status]"), page.locator(QUERY)
    upload(page, red)
    expect(status).to_have_text(re.compile(r"^12 neighbours among 36 images in [\d.]+ m?s$"))
    expect(query).to_have_text("my own red.png")
    found = names(page)
    assert len(set(found)) == 12
    scores = [float(text) for text in page.locator(".clr-score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    picture = page.locator("#clr-query img").get_attribute("src")

    page.locator(TILES).nth(2).click()
    expect(query).to_have_text(found[2])
    assert names(page) != found
    assert found[2] not in names(page)
    assert page.locator("#clr-query img").get_attribute("src") != picture

    page.locator("#clr-random").click()
    expect(page.locator("#clr-trail button")).to_have_count(3)
    page.locator("#clr-back").click()
    expect(query).to_have_text(found[2])
    page.locator("#clr-trail button").first.click()
    expect(query).to_have_text("my own red.png")
    assert names(page) == found
    page.locator("#clr-back").click()
    expect(query).to_have_count(0)
    expect(page.locator("#clr-back")).to_be_disabled()


def test_by_keyboard_and_with_names_for_screen_readers(page: Page) -> None:
    first = page.locator(TILES).first
    name = names(page)[0]
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(QUERY)).to_have_text(name)
    expect(page.locator("#clr-query img")).to_have_attribute("alt", f"Query: {name}")
    assert page.locator("img:not([alt])").count() == 0
    label = re.compile(r"^.+, similarity -?\d\.\d{3}, (red|green|blue): search from this picture$")
    for tile in page.locator(TILES).all():
        expect(tile).to_have_attribute("aria-label", label)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "clr-tile"


def test_filters_apply_with_and_without_a_query(page: Page) -> None:
    page.get_by_role("combobox", name="Label").click()
    page.get_by_role("option", name="green").click()
    labels = page.locator(f"{TILES} .clr-label")
    expect(labels).to_have_text(["green"] * 12)
    page.locator(TILES).first.click()
    expect(page.locator("#clr-status")).to_contain_text("11 neighbours")
    expect(labels).to_have_text(["green"] * 11)
    count = page.locator("#clr-count input[type=number]")
    count.fill("5")
    count.press("Enter")
    count.blur()
    expect(page.locator(TILES)).to_have_count(5)


def test_a_file_that_is_no_picture_gets_plain_words(page: Page, red: Path, tmp_path: Path) -> None:
    broken = tmp_path / "holiday.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 this is no photograph")
    before = names(page)
    upload(page, broken)
    problem = page.locator("#clr-status [role=alert]")
    expect(problem).to_contain_text("holiday.jpg could not be read as a picture")
    expect(problem).to_contain_text("Try another file")
    assert names(page) == before
    expect(page.locator(".toast-body")).to_have_count(0)
    upload(page, red)
    expect(page.locator("#clr-status")).to_contain_text("12 neighbours")


def test_a_picture_pasted_anywhere(page: Page) -> None:
    page.evaluate(
        """async () => {
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = 40;
          canvas.getContext('2d').fillRect(0, 0, 20, 40);
          const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
          const data = new DataTransfer();
          data.items.add(new File([blob], 'screenshot.png', {type: 'image/png'}));
          document.body.dispatchEvent(
            new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    )
    expect(page.locator(QUERY)).to_have_text("screenshot.png")


def test_a_picture_taken_with_the_camera(page: Page) -> None:
    field = page.locator("#clr-upload")
    field.get_by_role("button", name="Capture from camera").click()
    field.get_by_role("button", name="Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('#clr-upload video')?.currentTime > 0")
    field.get_by_role("button", name="capture photo").click()
    expect(page.locator(QUERY)).to_have_text("Your picture")
    expect(page.locator("#clr-status")).to_contain_text("12 neighbours")


def test_classify(page: Page, red: Path) -> None:
    page.get_by_role("tab", name="Classify").click()
    upload(page, red, "#clr-classify-upload")
    rows = page.locator("#clr-classes tbody tr")
    expect(rows).to_have_count(3)
    expect(page.locator("#clr-classes caption")).to_have_text(re.compile(r"^red, "))
    page.locator("#clr-classify-random").click()
    expect(page.locator("#clr-classify-query b")).to_have_text(re.compile(r"^(red|green|blue)\d\d"))


def test_a_picture_of_no_class(page: Page, tmp_path: Path) -> None:
    white = tmp_path / "white.png"
    Image.new("RGB", (60, 60), "white").save(white)
    page.get_by_role("tab", name="Classify").click()
    upload(page, white, "#clr-classify-upload")
    expect(page.locator("#clr-classes caption")).to_have_text(re.compile(r"^None of these"))
    expect(page.locator("#clr-classes tbody tr")).to_have_count(3)


def test_about(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    about = page.locator("#clr-about")
    told = {
        "Images": "36",
        "Name": "tiny",
        "Architecture": "two convolutions",
        "Classes": "blue, green, red",
    }
    for name, value in told.items():
        expect(about.get_by_role("row", name=name).first).to_contain_text(value)


def test_on_a_phone_nothing_is_wider_than_the_screen(phone: Page) -> None:
    phone.locator(TILES).nth(1).click()
    expect(phone.locator("#clr-status")).to_contain_text("12 neighbours")
    for tab in ("Search", "Classify", "About"):
        phone.get_by_role("tab", name=tab).click()
        expect(phone.get_by_role("tabpanel").locator("visible=true").first).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_results_far_down_lead_back_to_the_top(phone: Page) -> None:
    last = phone.locator(TILES).last
    last.scroll_into_view_if_needed()
    assert phone.evaluate("scrollY") > 400
    last.click()
    expect(phone.locator("#clr-query img")).to_be_in_viewport()
