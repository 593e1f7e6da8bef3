"""A collection with copies, for the tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from clr_search.analysis import duplicates
from clr_search.index import Index
from tests.analysis.test_copy_thresholds import scene


@pytest.fixture(autouse=True)
def _small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures are copied to choose a threshold, which takes most of the time of a search."""
    monkeypatch.setattr(duplicates, "SAMPLE", 2)


@pytest.fixture
def copied(tiny_encoder: Path, tmp_path: Path) -> Path:
    """Six pictures; one has a copy whose name is HTML, another two copies."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(scene(200 + number)).save(folder / f"{number}.png")
    shutil.copy(folder / "2.png", folder / "2 <b>&copy.png")
    shutil.copy(folder / "4.png", folder / "4 again.png")
    with Image.open(folder / "4.png") as picture:
        picture.save(folder / "4.jpg", quality=80)
    with Index.create(tmp_path / "copied.clr", tiny_encoder) as index:
        index.update([folder])
    return tmp_path / "copied.clr"
