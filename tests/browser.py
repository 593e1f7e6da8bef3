"""A real Chromium, for tests of pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

PATIENCE = 60_000
"""Milliseconds that an expectation waits: on a busy machine the first answer takes long."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CLR_SEARCH_CHROMIUM") or next(
        filter(None, map(shutil.which, names)), ""
    )
    if not found:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium here; set CLR_SEARCH_CHROMIUM to its executable.")
        pytest.skip("no Chromium; set CLR_SEARCH_CHROMIUM to its executable")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield browser
        browser.close()
