"""The map of the app in a real browser: how smoothly it moves.

    python -m bench.app_map COLLECTION

Measured are, in Chromium: from opening the tab to the map, without and with one that is kept; and
for four seconds of dragging at three zooms, the frames in a second and what JavaScript takes of
each. Where there is no graphics card, Chromium draws by SwiftShader, in software, and the frames
are as many as the processor draws; what JavaScript takes is ours alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.chromium import chromium
from bench.machine import machine
from clr_search.app.main import serving
from clr_search.index import Index

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STAGE = ".clr-map-stage"
WAIT = 600_000  # milliseconds

WATCH = """
window.__work = [];
window.__raf = window.requestAnimationFrame.bind(window);
window.requestAnimationFrame = (draw) => window.__raf((now) => {
  const began = performance.now();
  draw(now);
  window.__work.push(performance.now() - began);
});
"""

DRAG = """async () => {
  const stage = document.querySelector('.clr-map-stage');
  const { left, top, width, height } = stage.getBoundingClientRect();
  stage.setPointerCapture = () => {};
  const fire = (kind, x, y) => stage.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, pointerId: 1, pointerType: 'mouse', button: 0, buttons: 1,
    clientX: left + width / 2 + x, clientY: top + height / 2 + y,
  }));
  window.__work.length = 0;
  const frames = [];
  let hand = 0;
  fire('pointerdown', 0, 0);
  const end = performance.now() + 4000;
  await new Promise((done) => {
    const step = (now) => {
      frames.push(now);
      const began = performance.now();
      fire('pointermove', 160 * Math.sin(frames.length / 20), 90 * Math.cos(frames.length / 20));
      hand += performance.now() - began;
      if (began < end) window.__raf(step);
      else done();
    };
    window.__raf(step);
  });
  fire('pointerup', 0, 0);
  return { frames, work: window.__work.slice(), hand: hand / frames.length };
}"""

RENDERER = """() => {
  const gl = document.createElement('canvas').getContext('webgl2');
  const known = gl?.getExtension('WEBGL_debug_renderer_info');
  return known ? gl.getParameter(known.UNMASKED_RENDERER_WEBGL) : 'no WebGL 2';
}"""


def opened(page: Page, url: str) -> float:
    """Open the tab, and return the seconds until the map is there."""
    began = time.monotonic()
    page.goto(f"{url}?tab=map")
    page.wait_for_selector(STAGE, timeout=WAIT)
    return time.monotonic() - began


def dragged(page: Page, steps: int) -> tuple[Any, ...]:
    """Go nearer by some steps of the wheel and drag: frames a second, their times, JavaScript's."""
    box = page.locator(STAGE).bounding_box()
    assert box
    page.get_by_role("button", name="The whole map").click()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(steps):
        page.mouse.wheel(0, -240)
    page.wait_for_timeout(2500)
    pictures = page.locator(".clr-map-pictures img").count()
    found = page.evaluate(DRAG)
    between = np.diff(found["frames"])
    ours = np.array(found["work"]) + found["hand"]
    return (
        f"{1.82**steps:.0f} ×",
        pictures,
        f"{1000 / between.mean():.0f}",
        f"{np.percentile(between, 50):.0f} / {np.percentile(between, 95):.0f} ms",
        f"{np.percentile(ours, 50):.2f} / {np.percentile(ours, 95):.2f} ms",
    )


def measure(browser: Browser, collection: Path) -> None:
    """Print what was measured of a collection."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.add_init_script(WATCH)
    page = context.new_page()
    with serving(collection) as url:
        anew = opened(page, url)
    with serving(collection) as url:
        kept = opened(page, url)
        page.wait_for_timeout(3000)
        with Index.open(collection) as index:
            count = len(index)
        print(f"{count:,} pictures; {machine()}; {page.evaluate(RENDERER)}\n")
        print(f"The map was there {anew:.1f} s after the tab was opened, {kept:.1f} s once kept.\n")
        print("| zoom | pictures | frames a second | frame, p50 / p95 | JavaScript, p50 / p95 |")
        print("|--:|--:|--:|--:|--:|")
        for steps in (0, 3, 6):
            print("| " + " | ".join(map(str, dragged(page, steps))) + " |")
    context.close()


def main(given: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collection", type=Path)
    options = parser.parse_args(given)
    software = chromium("--enable-unsafe-swiftshader")
    with tempfile.TemporaryDirectory() as cache, software as browser:
        os.environ["CLR_SEARCH_CACHE"] = cache
        measure(browser, options.collection)


if __name__ == "__main__":
    main()
