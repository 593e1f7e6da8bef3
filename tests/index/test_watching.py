"""What is done about changes; that they are noticed, `tests/cli/test_watch.py` tries."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest

from clr_search.index import Index
from clr_search.index.watching import Keeper, Updated
from tests.index.made import Heard, write_noise


class OverError(Exception):
    """Nothing more will change."""


class Looks:
    """A watch that sees no change."""

    def __init__(self, *folders: Path) -> None:
        self.folders = [str(folder) for folder in folders]

    def wait(self, most: float) -> None:
        raise OverError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five pictures, and below them three on another disk, as it were."""
    photos = write_noise(tmp_path / "photos", 5)
    write_noise(photos / "camera", 3, seed=1, first=50)
    return photos


@pytest.fixture
def keeper(tmp_path: Path, tiny_encoder: Path) -> Keeper:
    Index.create(tmp_path / "x.clr", tiny_encoder).close()
    return Keeper(tmp_path / "x.clr")


def updates(keeper: Keeper, *folders: Path) -> tuple[list[Updated], list[str]]:
    """What is done, and what is said, until nothing more changes."""
    done: list[Updated] = []
    heard = Heard()
    with contextlib.suppress(OverError):
        done.extend(keeper.keep_up(Looks(*folders), first=heard, reporter=heard))
    return done, heard.messages


def test_all_folders_in_one_update(keeper: Keeper, photos: Path) -> None:
    ((update,), said) = updates(keeper, photos, photos / "camera")
    assert (update.report.added, update.info.count, said) == (8, 8, [])


@pytest.mark.parametrize("empty", [False, True])
def test_a_disk_below_a_watched_folder_goes_away(
    keeper: Keeper, photos: Path, tmp_path: Path, empty: bool
) -> None:
    """Given by itself, it is missed; the folder around it would have its pictures leave."""
    other = write_noise(tmp_path / "other", 2, seed=2, first=80)
    folders = (photos, photos / "camera", other)
    updates(keeper, *folders)
    shutil.move(photos / "camera", tmp_path / "away")
    if empty:
        (photos / "camera").mkdir()
    write_noise(other, 1, seed=3, first=90)
    ((update,), (complaint,)) = updates(keeper, *folders)
    assert (update.report.added, update.report.removed, update.info.count) == (1, 0, 11)
    assert str(photos / "camera") in complaint
    assert ("is its disk mounted" if empty else "is not there") in complaint


def test_an_empty_folder_is_waited_for(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done, (complaint,) = updates(keeper, tmp_path / "inbox")
    assert done == []
    assert complaint.startswith(f"No images found in {tmp_path / 'inbox'}.")


def test_a_collection_that_is_gone_is_told_of_and_not_made_anew(
    keeper: Keeper, photos: Path
) -> None:
    shutil.rmtree(keeper.collection)
    done, (complaint,) = updates(keeper, photos)
    assert done == []
    assert complaint.startswith(f"There is no collection {keeper.collection}.")
    assert not keeper.collection.exists()
