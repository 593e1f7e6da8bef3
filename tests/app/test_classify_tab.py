"""What the page says beside the classes of a picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from clr_search.app.classify_tab import ClassifyTab
from clr_search.app.explorer import Explorer
from clr_search.index import Index
from clr_search.serve import Probe


@pytest.mark.parametrize("estimated", [True, False])
def test_how_many_strangers_are_caught_is_told(
    collection: Path, probe: Path, estimated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Probe(probe)
    card = replace(loaded.card, novelty_caught=0.625 if estimated else None)
    monkeypatch.setattr(loaded, "card", card)
    with Index.open(collection) as index, gr.Blocks(analytics_enabled=False):
        explorer = Explorer(index, seed=0)
        said = ClassifyTab(loaded, explorer).on_random().values()
        explorer.close()
    told = "and about 62 % of those of other things." if estimated else "could not be estimated."
    assert any(told in str(text) for text in said)
