"""The Training tab in a real Chromium: alone, and while epochs are added."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from clr_search.app.main import serving
from clr_search.errors import UsageError
from clr_search.train.monitor.metrics import METRICS, append_row
from tests.app.test_accessibility import AXE, RUN
from tests.app.training.test_run import folder, row
from tests.browser import PATIENCE, chromium

__all__ = ["chromium", "folder"]  # fixtures


@pytest.mark.browser
def test_a_run_alone_is_followed(chromium: Browser, folder: Path) -> None:
    with serving(None, run=folder) as url:
        page = chromium.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        expect(page.get_by_role("tab")).to_have_count(1)
        status = page.locator(".clr-training .clr-status")
        expect(status).to_contain_text("2 of 3 epochs finished")
        expect(page.locator(".clr-chart").first).to_be_visible()
        expect(page.get_by_role("heading", name="Before training")).to_be_visible()
        page.locator("summary").first.click()
        expect(page.locator(".clr-numbers tbody tr")).to_have_count(2)
        if AXE.is_file():
            page.evaluate(AXE.read_text())
            assert page.evaluate(RUN) == []
        append_row(folder / METRICS, row(3))
        (folder / "weights.safetensors").write_bytes(b"")
        expect(status).to_contain_text("The training has ended")  # without a click
        expect(page.locator(".clr-numbers tbody tr")).to_have_count(3)
        page.close()
        assert httpx.get(f"{url}clr/run/sample").headers["content-type"] == "image/jpeg"
        assert httpx.get(f"{url}clr/run/config.json").status_code == 404
        assert httpx.get(f"{url}clr/thumb/1").status_code == 404


def test_nothing_to_show_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="nothing to show"), serving(None):
        pass
