"""Collections and their pictures move, and nothing is embedded again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.index import Index
from tests.index.made import Heard, write_noise


@pytest.fixture
def both(tmp_path: Path, tiny_encoder: Path) -> Path:
    """A folder with pictures and their collection beside each other."""
    write_noise(tmp_path / "a" / "photos", 12)
    with Index.create(tmp_path / "a" / "x.clr", tiny_encoder) as index:
        index.update([tmp_path / "a" / "photos"])
    return tmp_path / "a"


def paths(index: Index) -> dict[int, Path]:
    return {item.id: item.path for item in index.items(index.ids())}


def test_a_collection_moved_with_its_pictures_finds_them(both: Path, tmp_path: Path) -> None:
    with Index.open(both / "x.clr") as index:
        before = paths(index)
    both.rename(tmp_path / "b")
    expected = {n: tmp_path / "b" / path.relative_to(both) for n, path in before.items()}
    with Index.open(tmp_path / "b" / "x.clr") as index:
        assert paths(index) == expected
        assert index.missing() == 0
        assert len(index.ids(under=str(tmp_path / "b" / "photos"))) == 12
        assert list(index.embeddings().paths) == list(expected.values())
        assert next(iter(expected.values())) in index
    with Index.open(tmp_path / "b" / "x.clr", writable=True) as index:
        report = index.update([tmp_path / "b" / "photos"])
        assert (report.added, report.unchanged, report.removed) == (0, 12, 0)
        assert paths(index) == expected
    (tmp_path / "b" / "x.clr").rename(tmp_path / "x.clr")  # now without its pictures
    with Index.open(tmp_path / "x.clr", writable=True) as index:
        assert paths(index) == expected


def test_a_copied_collection_keeps_the_pictures_that_are_there(both: Path, tmp_path: Path) -> None:
    shutil.copytree(both, tmp_path / "copy")
    with Index.open(tmp_path / "copy" / "x.clr", writable=True) as index:
        assert all(path.is_relative_to(both) for path in paths(index).values())


def test_a_folder_that_is_gone_is_recognised_by_content(both: Path, tmp_path: Path) -> None:
    with Index.open(both / "x.clr", writable=True) as index:
        before = paths(index)
        (both / "photos").rename(tmp_path / "elsewhere")
        heard = Heard()
        report = index.update([tmp_path / "elsewhere"], reporter=heard)
        assert (report.moved, report.added, report.changed) == (12, 0, 0)
        photos = both / "photos"
        assert f"{photos} is gone; these are 12 of its 12 pictures, moved." in heard.messages
        assert paths(index) == {
            n: tmp_path / "elsewhere" / path.relative_to(photos) for n, path in before.items()
        }
        assert index.info().roots == (tmp_path / "elsewhere",)


def test_few_copies_of_an_absent_disk_are_no_move(both: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for path in sorted((both / "photos").rglob("*.png"))[:3]:
        shutil.copy(path, tmp_path / "few")
    with Index.open(both / "x.clr", writable=True) as index:
        (both / "photos").rename(tmp_path / "unmounted")
        report = index.update([tmp_path / "few"])
        assert (report.moved, report.added) == (0, 3)
        (tmp_path / "unmounted").rename(both / "photos")
        assert index.missing() == 0


def test_a_copy_of_a_folder_that_is_there_is_no_move(both: Path, tmp_path: Path) -> None:
    shutil.copytree(both / "photos", tmp_path / "backup")
    with Index.open(both / "x.clr", writable=True) as index:
        report = index.update([tmp_path / "backup"])
        assert (report.moved, report.added) == (0, 12)


@pytest.mark.parametrize("indexed_before", [False, True])
def test_relocate_moves_the_items_of_a_folder(
    both: Path, tmp_path: Path, indexed_before: bool
) -> None:
    photos, new = both / "photos", tmp_path / "new" / "photos"
    with Index.open(both / "x.clr", writable=True) as index:
        before = paths(index)
        shutil.copytree(photos, new)
        with pytest.raises(UsageError, match="still there"):
            index.relocate(photos, new)
        if indexed_before:
            index.update([new])
        shutil.rmtree(photos)
        assert index.missing() == 12
        assert index.relocate(photos, new) == 12
        assert paths(index) == {n: new / path.relative_to(photos) for n, path in before.items()}
        assert index.info().roots == (new,)
        assert index.update([new]).unchanged == 12
        with pytest.raises(UsageError, match="has no pictures of"):
            index.relocate(photos, new)
        shutil.rmtree(new)
        with pytest.raises(UsageError, match="is below"):
            index.relocate(new, tmp_path)
