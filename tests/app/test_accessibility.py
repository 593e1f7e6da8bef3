"""The page by the rules of WCAG 2.2 AA that a program can look at, by axe-core."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import PATIENCE, chromium

__all__ = ["chromium"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.node]

AXE = Path(__file__).parent / "scripts" / "node_modules" / "axe-core" / "axe.min.js"

RUN = """async () => {
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const found = await axe.run(document, {runOnly: tags});
  return found.violations.map((one) => one.id + ': ' + one.help + ' '
    + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)
      + ' ' + node.any.map((check) => check.message).join(' ')).join(' | '));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        if os.environ.get("CI"):
            pytest.fail("Run: npm ci --prefix tests/app/scripts")
        pytest.skip("run npm ci --prefix tests/app/scripts")
    return AXE.read_text()


@pytest.mark.parametrize(("theme", "size"), [("light", (1280, 900)), ("dark", (390, 800))])
def test_axe_finds_nothing(
    chromium: Browser, address: str, axe: str, theme: str, size: tuple[int, int]
) -> None:
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_init_script(f"localStorage.setItem('clr-theme', '{theme}')")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    found: list[str] = []

    def look(what: str) -> None:
        page.evaluate(axe)
        found.extend(f"{what}: {one}" for one in page.evaluate(RUN))

    page.goto(address)
    expect(page.locator(".clr-tile img").first).to_be_visible()
    look("opening")
    page.locator(".clr-tile").nth(1).click()
    expect(page.locator(".clr-chip b")).to_have_count(1)
    page.locator(".clr-tile").first.focus()
    page.keyboard.press("+")
    expect(page.locator(".clr-chip b")).to_have_count(2)
    page.locator(".clr-tile").first.focus()
    page.keyboard.press("x")
    look("query and choice")
    page.keyboard.press("Space")
    expect(page.get_by_role("dialog", name="Picture")).to_be_visible()
    look("lightbox")
    page.keyboard.press("Escape")
    for tab in page.get_by_role("tab").all():
        tab.click()
        expect(page.locator("[role=tabpanel]:not([hidden])")).to_have_count(1)
        page.wait_for_load_state("networkidle")
        look(tab.inner_text())
    context.close()
    assert not found, "\n".join(found)
