"""What an update will have to do, before any of it is done."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.sync.report import Plan
from clr_search.index.sync.roots import refuse_replaced
from clr_search.index.sync.survey import Survey, status_of
from clr_search.progress import Silent
from tests.index.made import write_noise


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "photos", 12)


@pytest.fixture
def index(photos: Path, tmp_path: Path, tiny_encoder: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        index.update([photos])
        yield index


def planned(index: Index, photos: Path, *, drop: bool = True) -> Plan:
    return Survey(index._catalog, [photos], drop=drop, reporter=Silent()).plan()[0]


def test_every_kind_of_change(index: Index, photos: Path) -> None:
    folder = photos / "000"
    numbers = {path.name: index._catalog.at(str(path)) for path in folder.iterdir()}
    write_noise(photos, 1, seed=5, first=0)  # changed
    os.utime(folder / "00001.png", (1, 1))  # touched
    (folder / "00002.png").rename(folder / "moved.png")
    (folder / "copy.png").write_bytes((folder / "00003.png").read_bytes())
    (folder / "00004.png").unlink()
    (folder / "new.png").write_bytes(b"new")
    plan = planned(index, photos)
    assert set(plan.embed) == {str(folder / "00000.png"), str(folder / "new.png")}
    assert plan.touched == [(numbers["00001.png"], 10**9)]
    assert [(path, number) for path, _, number in plan.moved] == [
        (str(folder / "moved.png"), numbers["00002.png"])
    ]
    assert [path for path, _, _ in plan.copies] == [str(folder / "copy.png")]
    assert plan.vanished == [numbers["00004.png"]]
    assert plan.unchanged == 12 - 3  # all but the changed, the moved and the vanished


def test_it_changes_nothing_and_drops_only_where_it_may(index: Index, photos: Path) -> None:
    (photos / "000" / "00004.png").unlink()
    assert planned(index, photos, drop=False).vanished == []
    assert len(planned(index, photos).vanished) == 1
    assert len(index) == 12


def test_a_folder_that_was_replaced_is_refused(tmp_path: Path) -> None:
    refuse_replaced({str(tmp_path / "none"): None})
    with pytest.raises(UsageError, match="went away while it was looked at"):
        refuse_replaced({str(tmp_path): None})


def test_the_status_of_what_is_not_there(tmp_path: Path) -> None:
    assert status_of(str(tmp_path / "none")) is None
    assert status_of(str(tmp_path)) is not None
