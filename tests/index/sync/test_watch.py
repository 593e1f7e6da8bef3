"""That changes are noticed, and where they were.

`tests/cli/collections/test_watch.py` tries the whole command.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from clr_search.index.sync import watch as watching
from clr_search.index.sync.watch import Watch
from tests.index.made import write_noise

pytest.importorskip("watchfiles", reason="needs the extra watch")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(watching, "QUIET", 0.3)
    return write_noise(tmp_path.resolve() / "photos", 12)


def test_where_something_has_happened(photos: Path) -> None:
    watch = Watch([photos])
    assert watch.wait(0.1) == frozenset()
    (photos / "000").rename(photos / "moved")
    (photos / "001" / "00010.png").unlink()
    (photos / "001" / ".new").write_bytes(b"new")
    (photos / "001" / ".new").rename(photos / "001" / "00011.png")
    (photos / "notes.txt").write_text("no picture, but it may have been given by its name")
    told = watch.wait(10)
    assert told is not None
    names = ["000", "moved", "001/00010.png", "001/00011.png", "notes.txt"]
    assert {str(photos / name) for name in names} <= told
    (photos / "moved" / "00000.png").unlink()  # a folder is watched under its new name
    assert watch.wait(10) == {str(photos / "moved" / "00000.png")}
    assert watch.wait(0.1) == frozenset()


def test_what_is_told_of_but_not_waited_for_is_not_forgotten(photos: Path) -> None:
    watch = Watch([photos])
    (photos / "notes.txt").write_text("no picture")
    assert watch.wait(1) == {str(photos / "notes.txt")}


def test_more_than_can_be_told(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MOST", 20)
    watch = Watch([photos])
    for number in range(30):
        (photos / "000" / f"more-{number}.png").write_bytes(b"picture")
    assert watch.wait(10) is None
    (photos / "000" / "00000.png").unlink()
    assert watch.wait(10) == {str(photos / "000" / "00000.png")}


def test_a_folder_that_was_away(photos: Path) -> None:
    watch = Watch([photos])
    photos.rename(photos.with_name("away"))
    assert watch.wait(10) is None
    photos.with_name("away").rename(photos)
    assert watch.wait(10) is None
    (photos / "000" / "00000.png").unlink()
    assert watch.wait(10) == {str(photos / "000" / "00000.png")}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text(photos: Path) -> None:
    watch = Watch([photos])
    Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9.png")).write_bytes(b"picture")
    assert watch.wait(10) is None


def test_polling_tells_nothing(photos: Path) -> None:
    watch = Watch([photos], poll=0.1)
    (photos / "000" / "00000.png").unlink()
    assert watch.wait(10) is None
    assert watch.wait(0.1) is None
