"""The tabs Map and Groups in a real Chromium, as a person uses them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture

pytestmark = pytest.mark.browser

STAGE, PICTURES, TILES = ".clr-map-stage", ".clr-map-pictures img", ".clr-grid .clr-tile"
Opened = Callable[..., Page]

NO_WEBGL = """
const known = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind === 'webgl2' ? null : known.call(this, kind, ...more);
};
"""

PINCH = """(stage) => {
  const { left, top, width, height } = stage.getBoundingClientRect();
  stage.setPointerCapture = () => {};
  const fire = (kind, id, x) => stage.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, pointerId: id, pointerType: 'touch', button: 0,
    clientX: left + width / 2 + x, clientY: top + height / 2,
  }));
  fire('pointerdown', 11, -20);
  fire('pointerdown', 12, 20);
  for (let far = 20; far <= 80; far += 10) {
    fire('pointermove', 11, -far);
    fire('pointermove', 12, far);
  }
  fire('pointerup', 11, -80);
  fire('pointerup', 12, 80);
}"""


@pytest.fixture
def opened(chromium: Browser, address: str) -> Iterator[Opened]:
    """Opens the page at a state; it must not have failed in the end."""
    contexts, failed = [], []

    def opened(
        query: str, size: tuple[int, int] = (1280, 860), script: str = "", at_once: bool = True
    ) -> Page:
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(script)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on("response", lambda reply: reply.status < 400 or failed.append(reply.url))
        if at_once:
            page.goto(f"{address}?{query}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert failed == []


def middle(page: Page, right: float = 0, down: float = 0) -> tuple[float, float]:
    box = page.locator(STAGE).bounding_box()
    assert box
    return box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 + down


def shown(page: Page) -> Page:
    """A map that has come to rest, with its pictures."""
    expect(page.locator(PICTURES).first).to_be_visible()
    return page


def colours(page: Page) -> set[tuple[int, ...]]:
    """The colours of the points, without the pictures on them."""
    page.add_style_tag(content=".clr-map-pictures, .clr-map-tools { display: none }")
    data = page.locator(STAGE).screenshot()
    drawn = Image.open(io.BytesIO(data)).convert("RGB").getcolors(2**24) or []
    return {colour for count, colour in drawn if count > 60 and max(colour) - min(colour) > 60}  # type: ignore[type-var, arg-type, misc]


def legend(page: Page, name: str) -> Locator:
    return page.locator(".clr-legend-class", has_text=name)


def test_the_map_shows_points_in_the_colours_of_their_labels(opened: Opened) -> None:
    page = shown(opened("tab=map"))
    for name in ("red", "green", "blue"):
        expect(legend(page, name)).to_contain_text("12")
    assert len(colours(page)) >= 3
    legend(page, "blue").click()
    expect(legend(page, "blue")).to_have_attribute("aria-pressed", "false")
    expect(page).to_have_url(re.compile("off=0"))
    expect(page.locator(".clr-map-pictures img")).to_have_count(24 - hidden(page, 24))
    page.get_by_role("button", name="Show all").click()
    expect(page).not_to_have_url(re.compile("off="))


def hidden(page: Page, count: int) -> int:
    """How many of some pictures have no room beside others."""
    page.wait_for_timeout(600)
    return count - page.locator(PICTURES).count()


def test_hover_shows_a_picture_and_a_click_searches_from_it(opened: Opened) -> None:
    page = shown(opened("tab=map"))
    page.locator(PICTURES).first.evaluate("(image) => image.decode()")
    box = page.locator(PICTURES).first.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    card = page.locator(".clr-map-card")
    expect(card.locator("img")).to_be_visible()
    name = card.locator("b").inner_text()
    page.mouse.click(x, y)
    expect(page).to_have_url(re.compile(r"like=\d+"))
    expect(page.locator(".clr-chip b")).to_have_text(name)
    expect(page.locator(TILES).first).to_be_visible()
    page.go_back()
    expect(page.locator(STAGE)).to_be_visible()


def test_the_keyboard_moves_and_lists(opened: Opened) -> None:
    page = shown(opened("tab=map"))
    stage = page.get_by_role("application", name="Map of 36 pictures")
    stage.focus()
    stage.press("+")
    stage.press("ArrowRight")
    expect(page).to_have_url(re.compile(r"at=0\.\d+,0\.\d+,1\.4"))
    stage.press("0")
    expect(page).not_to_have_url(re.compile("at="))
    stage.press("Enter")
    expect(page.get_by_role("heading", name="36 pictures in this area")).to_be_visible()
    expect(page.locator(TILES).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="36 pictures in this area")).to_be_visible()
    page.get_by_role("button", name="Choose all").click()
    expect(page.get_by_role("region", name="Chosen pictures")).to_contain_text("36 pictures chosen")
    page.get_by_role("button", name="Close the list").click()
    expect(page.locator(TILES)).to_have_count(0)


@pytest.mark.parametrize("with_shift", [True, False])
def test_a_lasso_lists_what_is_in_it(opened: Opened, with_shift: bool) -> None:
    page = shown(opened("tab=map"))
    if with_shift:
        page.keyboard.down("Shift")
    else:
        page.get_by_role("button", name="Draw around").click()
    page.mouse.move(*middle(page, -420, -300))
    page.mouse.down()
    for corner in ((20, -300), (20, 300), (-420, 300)):
        page.mouse.move(*middle(page, *corner), steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    expect(page.locator(".clr-map-lines polygon")).to_have_count(1)
    heading = page.locator(".clr-map-area h2")
    expect(heading).to_contain_text("in this area")
    count = int(heading.inner_text().split()[0])
    assert 0 < count < 36
    expect(page.locator(".clr-grid li").first).to_have_attribute("aria-setsize", str(count))
    assert "at=" not in page.url  # Drawing does not move the map.
    page.locator(TILES).first.click()
    expect(page).to_have_url(re.compile(r"like=\d+"))


def test_wheel_and_drag_move_the_map(opened: Opened) -> None:
    page = shown(opened("tab=map"))
    page.mouse.move(*middle(page))
    page.mouse.wheel(0, -300)
    expect(page).to_have_url(re.compile(r"at=0\.5,?0*.*"))
    before = page.url
    page.mouse.down()
    page.mouse.move(*middle(page, 160, 90), steps=8)
    page.mouse.up()
    # The address follows while the mouse is dragged: it is to go beyond 0.45 and 0.48.
    expect(page).to_have_url(re.compile(r"at=0\.(?:[0-3]|4[0-4])\d*,0\.(?:[0-3]|4[0-7])"))
    assert page.url != before
    assert "like=" not in page.url  # A drag is no click.
    page.get_by_role("button", name="The whole map").click()
    expect(page).not_to_have_url(re.compile("at="))


def test_two_fingers_go_nearer(opened: Opened) -> None:
    page = shown(opened("tab=map", size=(390, 780)))
    page.locator(STAGE).evaluate(PINCH)
    expect(page).to_have_url(re.compile(r"at=[\d.]+,[\d.]+,[34]"))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_colours_by_likeness_and_by_group(opened: Opened) -> None:
    page = shown(opened("tab=map&like=3"))
    expect(page.locator(".clr-map-lines circle")).to_have_count(1)  # where the query lies
    choice = page.get_by_label("Colour by")
    choice.select_option("score")
    expect(page.locator(".clr-legend-ends")).to_contain_text("1.00")
    choice.select_option("group")
    expect(legend(page, "1")).not_to_have_count(0)
    expect(page).to_have_url(re.compile("colour=group"))
    choice.select_option("none")
    expect(page.locator(".clr-legend-class")).to_have_count(0)


def test_without_webgl_it_is_said_plainly(opened: Opened) -> None:
    page = opened("tab=map", script=NO_WEBGL)
    expect(page.get_by_text("cannot draw the map, as it has no WebGL 2")).to_be_visible()
    expect(page.locator(STAGE)).to_be_hidden()
    page.get_by_role("button", name="See the groups").click()
    expect(page.locator(".clr-strip").first).to_be_visible()


def test_progress_is_told_while_the_map_is_made(opened: Opened, address: str) -> None:
    page = opened("", at_once=False)
    made = []

    def answer(route: Route) -> None:
        if '"chart"' not in (route.request.post_data or "") or made:
            route.continue_()
            return
        told = {"empty": False, "ready": False, "stage": "Laying out", "seconds": 12.0}
        route.fulfill(body=json.dumps({"ok": told}), content_type="application/json")

    page.route(re.compile("component_server"), answer)
    page.goto(f"{address}?tab=map")
    expect(page.get_by_text("Laying out …")).to_be_visible()
    expect(page.get_by_text("for 12 s")).to_be_visible()
    made.append(True)
    expect(page.locator(STAGE)).to_be_visible()
    expect(page.get_by_text("Laying out …")).to_be_hidden()


def test_groups_open_and_close(opened: Opened) -> None:
    page = opened("tab=groups&groups=3")
    expect(page.locator(".clr-strip")).to_have_count(3)
    expect(page.locator(".clr-strip img").first).to_be_visible()
    first = page.locator(".clr-strip").first
    size = int(first.locator(".clr-strip-text span").first.inner_text().split()[0])
    first.click()
    expect(page).to_have_url(re.compile("open=0"))
    expect(page.locator(".clr-grid li").first).to_have_attribute("aria-setsize", str(size))
    expect(page.locator(".clr-map-area h2:visible")).to_contain_text(f"{size} pictures")
    page.get_by_role("button", name="On the map").click()
    expect(page.locator(".clr-legend-class[aria-pressed=true]")).to_have_count(1)
    page.go_back()
    page.go_back()
    expect(page.locator(".clr-strip")).to_have_count(3)
    page.get_by_label("How many groups").select_option("5")
    expect(page.locator(".clr-strip")).to_have_count(5)


def test_pictures_like_no_other_come_with_their_distance(opened: Opened) -> None:
    page = opened("tab=groups")
    page.get_by_role("button", name="Pictures like no other").click()
    expect(page.locator(TILES).first).to_contain_text("nearest: ")
    scores = [float(text.split()[-1]) for text in page.locator(".clr-score").all_inner_texts()]
    assert len(scores) > 3
    assert scores == sorted(scores)
    page.get_by_role("button", name="All groups").click()
    expect(page.locator(".clr-strip").first).to_be_visible()
