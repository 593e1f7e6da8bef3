"""Takes the pictures of the documentation of the app in Chromium, of what may be shown.

    python -m bench.app_pictures clothing.clr --run run --out docs/app

What is labelled, and the copies that are found, are in a copy of the collection: labels are taken
from the names of the folders, and some pictures are saved again, smaller or grey.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from bench.chromium import chromium
from clr_search.app.main import serving
from clr_search.index import Index

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WAIT = 600_000  # milliseconds
LABELLED = 6  # pictures of each class
COPIED = (40, 900, 1500)  # places of the pictures of which there will be copies


def opened(browser: Browser, address: str, sign: str, *, width: int = 1280) -> Page:
    """A page, once what `sign` selects is there and has had time to be painted."""
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector(sign)
    page.wait_for_timeout(3000)
    return page


def take(page: Page, path: Path) -> None:
    """Take a picture of what is seen, and close the page."""
    page.screenshot(path=path, type="jpeg", quality=82)
    page.context.close()


def searches(browser: Browser, url: str, out: Path) -> None:
    """The tab Search: by a picture, refined, and on a phone."""
    page = opened(browser, url, ".clr-grid img")
    page.locator(".clr-grid .clr-tile").nth(9).click()
    page.wait_for_timeout(1500)
    query = page.url
    page.screenshot(path=out / "search.jpg", type="jpeg", quality=82)
    for at, key in ((1, "+"), (17, "-")):
        page.locator(".clr-grid .clr-tile").nth(at).focus()
        page.keyboard.press(key)
        page.wait_for_timeout(1000)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    take(page, out / "refined.jpg")
    take(opened(browser, query, ".clr-grid img", width=390), out / "phone.jpg")


def overviews(browser: Browser, url: str, out: Path) -> None:
    """The tabs Groups and Map."""
    take(opened(browser, f"{url}?tab=groups", ".clr-strip"), out / "groups.jpg")
    page = opened(browser, f"{url}?tab=map", ".clr-map canvas")
    page.get_by_role("button", name="Nearer").click()
    page.wait_for_timeout(4000)
    take(page, out / "map.jpg")


def label(collection: Path) -> None:
    """Label some pictures of each folder by its name, and no others."""
    with Index.open(collection, writable=True) as index:
        kinds: dict[str, list[int]] = {}
        for item in index.items(index.ids()):
            kinds.setdefault(item.path.parent.name, []).append(item.id)
        chance = random.Random(0)
        index.label({})
        index.relabel(
            {one: kind for kind, ids in kinds.items() for one in chance.sample(ids, LABELLED)}
        )


def copy_some(collection: Path, folder: Path) -> None:
    """Save some pictures again: as they are, smaller, and grey."""
    folder.mkdir()
    with Index.open(collection, writable=True) as index:
        for item in index.items([index.ids()[place] for place in COPIED]):
            name = folder / item.path.stem
            shutil.copy(item.path, name.with_name(f"{name.name} copy{item.path.suffix}"))
            with Image.open(item.path) as picture:
                shown = ImageOps.exif_transpose(picture).convert("RGB")
            smaller = shown.resize((shown.width // 2, shown.height // 2), Image.Resampling.LANCZOS)
            smaller.save(f"{name} small.jpg", quality=80)
            ImageOps.grayscale(shown).save(f"{name} grey.png")
        index.update([folder])


def teaching(browser: Browser, url: str, out: Path) -> None:
    """The tab Label."""
    take(opened(browser, f"{url}?tab=label", ".clr-label .clr-tile img"), out / "label.jpg")


def copies(browser: Browser, url: str, out: Path) -> None:
    """The tab Copies."""
    page = opened(browser, f"{url}?tab=copies", ".clr-copies-head")
    page.get_by_role("button", name="Find copies").click()
    page.wait_for_selector(".clr-copy-group")
    page.wait_for_timeout(4000)
    take(page, out / "copies.jpg")


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path)
    parser.add_argument("--run", type=Path, help="a training, for the tab Training")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    software = chromium("--enable-unsafe-swiftshader")
    with tempfile.TemporaryDirectory() as name, software as browser:
        os.environ["CLR_SEARCH_CACHE"] = str(Path(name) / "cache")
        with serving(given.collection) as url:
            searches(browser, url, given.out)
            overviews(browser, url, given.out)
        own = shutil.copytree(given.collection, Path(name) / given.collection.name)
        label(own)
        copy_some(own, Path(name) / "saved again")
        with serving(own) as url:
            teaching(browser, url, given.out)
            copies(browser, url, given.out)
        if given.run is not None:
            with serving(None, run=given.run) as url:
                take(opened(browser, url, ".clr-chart"), given.out / "training.jpg")


if __name__ == "__main__":
    main()
