"""Chromium, as benches drive it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """The browser that `CLR_SEARCH_CHROMIUM` names, or else the installed one."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CLR_SEARCH_CHROMIUM") or shutil.which("chromium")
    always = ["--no-sandbox", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*always, *options])
        yield browser
        browser.close()
