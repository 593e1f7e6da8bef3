"""The app, in a real browser, over a large collection.

    python -m bench.app --pictures 125000

The collection is made up: so many items, whose vectors lie in clumps, over 500 drawn pictures of
1,600 × 1,200 pixels, each of which has many names (hard links). Measured are, in Chromium: from a
click on a picture to the frame in which all pictures in the window are painted, the first time
their thumbnails are drawn and when they are there already; the same after a jump to another part
of the collection by scrolling; the bytes of an answer; the nodes of the page. Then ten visitors
search at a time, each as quickly as it is answered, and every answer is compared with that of the
index itself. The app is a process of its own; its start is from the command to the first page.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from PIL import Image, ImageDraw

from bench.chromium import chromium
from bench.machine import machine
from bench.starting import serving
from clr_search.index import Index

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DRAWN = 500
CLICKS = 100
VISITORS = 10
SEARCHES = 40  # of each visitor

PAINTED = """async (at) => {
  const next = () => new Promise((done) => requestAnimationFrame(done));
  const frame = () => next().then(next);
  const tiles = () => Array.from(document.querySelectorAll('.clr-grid .clr-tile'));
  const seen = (image) => {
    const box = image.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  };
  const answered = new Promise((done) => {
    const status = document.querySelector('.clr-status');
    new MutationObserver(done).observe(status, { childList: true, characterData: true });
  });
  const began = performance.now();
  tiles()[at].click();
  await answered;
  const images = Array.from(document.querySelectorAll('.clr-grid img')).filter(seen);
  await Promise.all(images.map((image) => image.decode().catch(() => 0)));
  await frame();
  return [performance.now() - began, document.querySelectorAll('.clr-grid *').length];
}"""

JUMPED = """async (share) => {
  const next = () => new Promise((done) => requestAnimationFrame(done));
  const frame = () => next().then(next);
  const began = performance.now();
  scrollTo(0, share * document.documentElement.scrollHeight);
  await frame();
  while (document.querySelector('.clr-waiting')) await frame();
  const images = Array.from(document.querySelectorAll('.clr-grid img'));
  await Promise.all(images.map((image) => image.decode().catch(() => 0)));
  await frame();
  return performance.now() - began;
}"""


def draw(folder: Path) -> list[Path]:
    """Draw pictures that differ, as photographs of this size would."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    paths = []
    for number in range(DRAWN):
        coarse = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((1600, 1200), Image.Resampling.BICUBIC)
        ImageDraw.Draw(picture).text((40, 40), str(number), fill="white", font_size=200)
        paths.append(folder / f"{number:03}.jpg")
        picture.save(paths[-1], quality=90)
    return paths


def make(folder: Path, count: int) -> Path:
    """Make the collection."""
    drawn = draw(folder / "drawn")
    (folder / "pictures").mkdir()
    names = [folder / "pictures" / f"{number:06}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        os.link(drawn[number % DRAWN], name)
    generator = np.random.default_rng(1)
    path = folder / "large.clr"
    with Index.create(path) as index:
        dimension = index.info().dimension
        centres = generator.normal(size=(400, dimension))
        vectors = centres[generator.integers(0, 400, count)]
        vectors = vectors + 0.7 * generator.normal(size=vectors.shape)
        index.add_vectors(vectors.astype(np.float32), names)
    return path


def shares(values: Sequence[float]) -> str:
    """Median, 95th percentile and worst, as cells of a table."""
    return f"{np.median(values):.0f} | {np.percentile(values, 95):.0f} | {max(values):.0f}"


def opened(browser: Browser, url: str, width: int = 1400) -> Page:
    """A page of the app, with its first pictures."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto(url)
    page.wait_for_function("document.querySelector('.clr-grid img')?.complete")
    return page


def clicks(browser: Browser, url: str) -> None:
    """Print how long clicks and jumps take until they are painted.

    The same clicks are made twice, the second time by a browser that has kept nothing.
    """
    print("| from | to | p50, ms | p95, ms | worst, ms |\n|---|---|---|---|---|")
    nodes = 0
    for what in ("thumbnails drawn for it", "thumbnails there"):
        chosen, times, page = random.Random(2), [], opened(browser, url)
        for _ in range(CLICKS):
            took, nodes = page.evaluate(PAINTED, chosen.randrange(12))
            times.append(took)
        print(f"| a click | pictures painted, {what} | {shares(times)} |", flush=True)
    page = opened(browser, url)
    jumps = [page.evaluate(JUMPED, chosen.random()) for _ in range(CLICKS)]
    print(f"| a jump by scrolling | pictures painted, thumbnails drawn for it | {shares(jumps)} |")
    print(f"\nNodes of the grid in the page: {nodes}.")


def ask(client: httpx.Client, component: int, search: dict[str, Any]) -> httpx.Response:
    """Ask as the page does."""
    data = {"search": search, "offset": 0, "count": 48}
    message = {"component_id": component, "fn_name": "find", "session_hash": "b", "data": data}
    return client.post("/gradio_api/component_server", json=message)


def visitors(url: str, collection: Path) -> None:
    """Print how long searches of ten visitors take, and whether any got the answer of another."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        components = client.get("/config").json()["components"]
        number = next(c["id"] for c in components if c["props"].get("elem_id") == "clr-page")
        with Index.open(collection) as index:
            ids = index.ids()
            chosen = random.Random(3).sample(ids, VISITORS * SEARCHES)
            expected = {one: index.search(one, k=48).ids.tolist() for one in chosen}
        answer = ask(client, number, {"terms": [{"id": ids[0]}]})
        print(f"\nBytes of an answer with 48 results: {len(answer.content):,}.")
    times: list[float] = []
    wrong: list[int] = []

    def visit(part: Sequence[int]) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
            for one in part:
                began = time.perf_counter()
                rows = ask(client, number, {"terms": [{"id": one}]}).json()["ok"]["rows"]
                times.append(1000 * (time.perf_counter() - began))
                found = [row["id"] for row in rows]
                if len(set(found) & set(expected[one])) < 46:
                    wrong.append(one)

    parts = [chosen[start::VISITORS] for start in range(VISITORS)]
    threads = [threading.Thread(target=visit, args=(part,)) for part in parts]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = len(times) / (time.perf_counter() - began)
    print(
        f"\n{VISITORS} visitors at a time, {len(times)} searches, {rate:.0f} a second: "
        f"p50 | p95 | worst, ms: {shares(times)}; answers of another: {len(wrong)}."
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=125_000)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="clr-bench-app-"))
    os.environ["CLR_SEARCH_CACHE"] = str(folder / "cache")
    try:
        with chromium("--disable-gpu") as browser:
            print(machine() + f"; Chromium {browser.version}\n")
            began = time.perf_counter()
            collection = make(folder, given.pictures)
            print(f"{given.pictures:,} items, made in {time.perf_counter() - began:.0f} s.")
            began = time.perf_counter()
            with serving("app", collection, "--no-browser") as (_, port):
                url = f"http://127.0.0.1:{port}"
                httpx.get(url, trust_env=False).raise_for_status()
                print(f"The app answered {time.perf_counter() - began:.1f} s after its start.\n")
                clicks(browser, url)
                visitors(url, collection)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
