"""docs/settings.md is what the declarations say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from clr_search.train.settings import reference
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.presets import PRESETS

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.markdown(), "run: make docs"


def test_the_page_lists_every_setting_and_every_preset_once() -> None:
    page = reference.markdown()
    names = [item.name for cls in (TrainConfig, Augmentation) for item in fields(cls)]
    assert [name for name in (*names, *PRESETS) if page.count(f"\n| `{name}` |") != 1] == []


def test_every_row_has_all_cells() -> None:
    rows = [line for line in reference.markdown().splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.count("|") not in (5, 6)] == []
