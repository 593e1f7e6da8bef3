"""The page in a real Chromium: what a person does, and what must never leave this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from clr_search.app.access import Access
from clr_search.app.main import serving
from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser

TILES = ".clr-grid .clr-tile"
CHIPS = ".clr-chip b"
DESKTOP = (1280, 860)
PHONE = (390, 760)


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
    page.on("response", lambda reply: None if reply.status < 400 else failed.append(reply.url))
    page.goto(address)
    expect(page.locator(TILES).first).to_be_visible()
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert [url for url in failed if not url.endswith("/clr/upload")] == []


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


def status(page: Page) -> Locator:
    return page.locator(".clr-status")


def names(page: Page) -> list[str]:
    return page.locator(f"{TILES} .clr-name").all_inner_texts()


def bring(page: Page, *paths: Path) -> None:
    page.set_input_files(".clr-bring input[type=file]", [str(path) for path in paths])


def tile(page: Page, name: str) -> Locator:
    return page.locator(".clr-grid li", has=page.get_by_text(name, exact=True))


def test_from_a_picture_to_its_neighbours_and_back_by_the_browser(page: Page, red: Path) -> None:
    expect(status(page)).to_have_text("36 pictures")
    bring(page, red)
    expect(status(page)).to_have_text(re.compile(r"^36 pictures like my own red\.png, in \d+ ms$"))
    expect(page.locator(CHIPS)).to_have_text(["my own red.png"])
    first = names(page)
    scores = [float(text.split()[-1]) for text in page.locator(".clr-score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)

    page.locator(TILES).nth(2).click()
    expect(page.locator(CHIPS)).to_have_text([first[2]])
    expect(status(page)).to_contain_text("35 pictures like")
    assert first[2] not in names(page)

    page.get_by_role("button", name="Surprise me").click()
    expect(page.locator(CHIPS)).not_to_have_text([first[2]])
    page.go_back()
    expect(page.locator(CHIPS)).to_have_text([first[2]])
    page.go_back()
    expect(page.locator(CHIPS)).to_have_text(["my own red.png"])
    expect(page.locator(f"{TILES} .clr-name")).to_have_text(first)
    page.go_forward()
    expect(page.locator(CHIPS)).to_have_text([first[2]])
    page.reload()
    expect(page.locator(CHIPS)).to_have_text([first[2]])
    page.get_by_role("button", name="out of the query").click()
    expect(status(page)).to_have_text("36 pictures")


def test_more_and_less_like_a_picture(page: Page) -> None:
    expect(page.locator(".clr-size")).to_have_text("36 pictures")
    one, other, against = names(page)[:3]
    tile(page, one).locator(".clr-tile").click()
    expect(page.locator(CHIPS)).to_have_text([one])
    for name, deed in ((other, "More like this"), (against, "Less like this")):
        tile(page, name).hover()
        tile(page, name).get_by_role("button", name=deed).click()
        expect(page.locator(CHIPS).last).to_have_text(name)
    expect(page.locator(".clr-against b")).to_have_text(against)
    assert "unlike=" in page.url
    weight = page.get_by_label(f"Weight of {other}")
    weight.select_option("2")
    expect(page).to_have_url(re.compile(r"\*2"))
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("u")
    expect(weight).to_have_value("1")
    expect(page).not_to_have_url(re.compile(r"\*2"))


def test_by_keyboard_and_with_names_for_screen_readers(page: Page) -> None:
    first = page.locator(TILES).first
    name = names(page)[0]
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(CHIPS)).to_have_text([name])
    expect(page.locator(".clr-grid li").first).to_have_attribute("aria-setsize", "35")
    spoken = re.compile(r"^(red|green|blue)\d\d\.\w+ (red|green|blue) similarity -?\d\.\d{3}$")
    expect(page.locator(TILES).first).to_have_accessible_name(spoken)
    assert page.locator("img:not([alt])").count() == 0

    page.locator(TILES).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("x")
    bar = page.get_by_role("region", name="Chosen pictures")
    expect(bar).to_contain_text("1 picture chosen")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    expect(page.locator(CHIPS)).to_have_count(2)
    page.locator("h1").click()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_be_visible()
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_filters_apply_with_and_without_a_query(page: Page) -> None:
    expect(page.locator("#clr-labels option")).to_have_count(3)
    label = page.get_by_label("Label")
    label.press_sequentially("green")
    labels = page.locator(f"{TILES} .clr-said")
    expect(status(page)).to_have_text("12 pictures")
    expect(labels).to_have_text(["green"] * 12)
    page.locator(TILES).first.click()
    expect(status(page)).to_contain_text("11 pictures like")
    expect(labels).to_have_text(["green"] * 11)
    page.get_by_role("combobox", name="Likeness").select_option("99.99")
    expect(page.locator(".clr-empty")).to_contain_text("Nothing in the collection is so like this")
    page.get_by_role("button", name="Show what is less alike").click()
    expect(labels).to_have_text(["green"] * 11)
    page.get_by_label("Label").fill("no such label")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("no such label")
    page.get_by_role("button", name="Clear").click()
    expect(status(page)).to_contain_text("35 pictures like")


def test_an_order_by_name(page: Page) -> None:
    page.get_by_label("Order").select_option("name")
    expect(page).to_have_url(re.compile("sort=name"))
    expect(page.locator(f"{TILES} .clr-name").first).to_have_text(re.compile("^blue00"))


def test_a_look_at_a_picture_and_a_part_of_it(page: Page) -> None:
    name = names(page)[4]
    page.locator(TILES).nth(4).focus()
    page.keyboard.press("Space")
    box = page.get_by_role("dialog", name="Picture")
    expect(box.get_by_role("heading")).to_have_text(name)
    expect(box).to_contain_text("pixels")
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("heading")).not_to_have_text(name)
    page.keyboard.press("ArrowLeft")
    expect(box.get_by_role("heading")).to_have_text(name)
    assert "view=" in page.url
    image = box.locator(".clr-stage img")
    page.wait_for_function("document.querySelector('.clr-stage img').naturalWidth > 0")
    area = image.bounding_box()
    assert area
    page.mouse.move(area["x"] + area["width"] * 0.2, area["y"] + area["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.7, area["y"] + area["height"] * 0.8, steps=4)
    page.mouse.up()
    box.get_by_role("button", name="Search by this part").click()
    expect(box).to_be_hidden()
    expect(page.locator(".clr-chip")).to_contain_text("a part of it")
    assert re.search(r"like=\d+@0\.2\d*,0\.2\d*,0\.5\d*,0\.6", page.url), page.url
    expect(status(page)).to_contain_text("36 pictures like")


def test_many_are_chosen_and_taken_away(page: Page) -> None:
    page.locator(".clr-grid li").nth(1).hover()
    page.locator(".clr-grid li").nth(1).get_by_role("button", name="Choose").click()
    page.locator(TILES).nth(5).click(modifiers=["Shift"])
    bar = page.get_by_role("region", name="Chosen pictures")
    expect(bar).to_contain_text("5 pictures chosen")
    with page.expect_download() as table:
        bar.get_by_role("button", name="Table (CSV)").click()
    assert len(Path(table.value.path()).read_text().splitlines()) == 6
    expect(bar.get_by_role("button", name="Files (zip)")).to_have_count(0)
    bar.get_by_role("button", name="Search with them").click()
    expect(page.locator(CHIPS)).to_have_count(5)
    expect(bar).to_be_hidden()


def test_several_pictures_at_once(page: Page, red: Path, pictures: Path) -> None:
    bring(page, red, next((pictures / "blue").iterdir()))
    expect(page.locator(CHIPS)).to_have_count(2)
    expect(status(page)).to_contain_text("like these")


def test_a_file_that_is_no_picture_gets_plain_words(page: Page, red: Path, tmp_path: Path) -> None:
    broken = tmp_path / "holiday.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 this is no photograph")
    before = names(page)
    bring(page, broken)
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text("holiday.jpg could not be read as a picture")
    expect(problem).to_contain_text("Try another file")
    assert names(page) == before
    bring(page, red)
    expect(status(page)).to_contain_text("36 pictures like")
    expect(problem).to_be_hidden()


def test_an_upload_that_is_gone_is_said_and_can_be_taken_out(page: Page, address: str) -> None:
    page.goto(f"{address}?like=u{'x' * 24}&label=red")
    expect(page.get_by_role("alert")).to_contain_text("no longer here")
    page.get_by_role("button", name="out of the query").click()
    expect(status(page)).to_have_text("12 pictures")


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_picture_brought_anywhere(page: Page, way: str) -> None:
    page.evaluate(
        """async (way) => {
          const canvas = document.createElement('canvas');
          canvas.width = canvas.height = 40;
          canvas.getContext('2d').fillRect(0, 0, 20, 40);
          const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
          const data = new DataTransfer();
          data.items.add(new File([blob], 'screenshot.png', {type: 'image/png'}));
          const about = {bubbles: true, cancelable: true};
          document.body.dispatchEvent(way === 'paste'
            ? new ClipboardEvent('paste', {clipboardData: data, ...about})
            : new DragEvent('drop', {dataTransfer: data, ...about}));
        }""",
        way,
    )
    expect(page.locator(CHIPS)).to_have_text(["screenshot.png"])


def test_a_picture_taken_with_the_camera(page: Page) -> None:
    page.get_by_role("button", name="Take a picture with the camera").click()
    page.wait_for_function("document.querySelector('.clr-camera video')?.currentTime > 0")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator(CHIPS)).to_have_text(["Your picture"])
    expect(status(page)).to_contain_text("36 pictures like")


def test_about(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    about = page.locator("#clr-panel-about")
    told = {"Images": "36", "Name": "tiny", "Classes": "blue, green, red"}
    for name, value in told.items():
        expect(about.get_by_role("row", name=name).first).to_contain_text(value)
    page.get_by_role("button", name="Count missing files").click()
    expect(about).to_contain_text("Every picture has its file.")
    page.go_back()
    expect(page.locator(TILES).first).to_be_visible()


def test_a_tab_that_loads_slowly_does_not_replace_the_one_that_was_opened_after_it(
    page: Page,
) -> None:
    held: list[Route] = []
    page.route(re.compile(r"/about\.js"), lambda route: held.append(route))
    page.get_by_role("tab", name="About").click()
    page.get_by_role("tab", name="Search").click()
    expect(page.locator("#clr-panel-search")).to_be_visible()
    while not held:
        page.wait_for_timeout(20)
    held[0].continue_()
    expect(page.locator("#clr-panel-about")).to_be_attached()
    expect(page.locator("#clr-panel-about")).to_be_hidden()
    expect(page.locator("#clr-panel-search")).to_be_visible()
    page.get_by_role("tab", name="About").click()
    expect(page.locator("#clr-panel-about").get_by_role("row", name="Images")).to_be_visible()


def test_light_dark_and_the_browser_remembers(page: Page) -> None:
    dark = "document.body.classList.contains('dark')"
    before = page.evaluate(dark)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(dark) is not before
    page.reload()
    expect(page.locator(TILES).first).to_be_visible()
    assert page.evaluate(dark) is not before


def test_on_a_phone_nothing_is_wider_than_the_screen_and_pictures_come_first(phone: Page) -> None:
    phone.locator(TILES).nth(1).click()
    expect(status(phone)).to_contain_text("35 pictures like")
    top = phone.locator(TILES).first.bounding_box()
    assert top
    assert top["y"] < PHONE[1] / 2
    for tab in phone.get_by_role("tab").all():
        tab.click()
        assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    phone.get_by_role("tab", name="Search").click()
    phone.get_by_role("button", name="Filters").click()
    expect(phone.locator("#clr-panel-search").get_by_label("Order")).to_be_visible()


def test_a_wide_screen_is_used(chromium: Browser, address: str) -> None:
    for page in open_page(chromium, address, (2560, 1200)):
        boxes = [box.bounding_box() for box in page.locator(TILES).all()]
        assert max(box["x"] + box["width"] for box in boxes if box) > 2400


def test_clicks_live_on_when_the_server_was_started_again(
    chromium: Browser, collection: Path
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with serving(collection) as url:
        port = int(url.rstrip("/").rpartition(":")[2])
        page.goto(url)
        page.locator(TILES).first.click()
        expect(status(page)).to_contain_text("35 pictures like")
    name = names(page)[3]
    page.locator(TILES).nth(3).click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    with serving(collection, port=port):
        page.locator(TILES).nth(3).click() if page.locator(TILES).count() > 3 else page.reload()
        expect(page.locator(CHIPS)).to_have_text([name])
        expect(status(page)).to_contain_text("35 pictures like")
    context.close()


def test_only_tiles_that_are_seen_are_in_the_page(
    chromium: Browser, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Of 3,000 pictures, whose files are not even there."""
    import numpy as np

    from clr_search.index import Index

    path = tmp_path / "many.clr"
    vectors = np.random.default_rng(0).normal(size=(3000, 16)).astype(np.float32)
    with Index.create(path, tiny_encoder) as index:
        index.add_vectors(vectors, [tmp_path / f"{number:04}.jpg" for number in range(3000)])
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    with serving(path, access=Access()) as url:
        page.goto(url)
        expect(page.locator(f"{TILES} .clr-name").first).to_have_text("0000.jpg")
        page.locator(TILES).first.focus()
        page.keyboard.press("End")
        expect(page.locator(f"{TILES}:focus .clr-name")).to_have_text("2999.jpg")
        assert page.locator(".clr-grid li").count() < 100
        page.keyboard.press("Home")
        expect(page.locator(f"{TILES}:focus .clr-name")).to_have_text("0000.jpg")
        expect(page.locator(".clr-absent").first).to_have_text("file not found")
    context.close()
