"""What is done about changes; that they are noticed, `tests/index/sync/test_watch.py` tries."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from clr_search.index import Index, follow
from clr_search.index.follow import Follower, Updated
from clr_search.index.sync import update
from tests.index.made import Heard, write_noise

Change = Callable[[], Sequence[Path] | None]


class OverError(Exception):
    """Nothing more will change."""


class Looks:
    """A watch that tells of these changes, one after another, each made when it is waited for."""

    def __init__(self, *folders: Path, changes: Sequence[Change] = ()) -> None:
        self.folders = [str(folder) for folder in folders]
        self.waits: list[float] = []
        self._changes = list(changes)

    def wait(self, most: float) -> frozenset[str] | None:
        self.waits.append(most)
        if not self._changes:
            raise OverError
        told = self._changes.pop(0)()
        return None if told is None else frozenset(map(str, told))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five pictures, and below them three on another disk, as it were."""
    photos = write_noise(tmp_path / "photos", 5)
    write_noise(photos / "camera", 3, seed=1, first=50)
    return photos


@pytest.fixture
def follower(tmp_path: Path, tiny_encoder: Path) -> Follower:
    Index.create(tmp_path / "x.clr", tiny_encoder).close()
    return Follower(tmp_path / "x.clr")


def updates(
    follower: Follower, *folders: Path, changes: Sequence[Change] = ()
) -> tuple[list[Updated], list[str]]:
    """What is done, and what is said, until nothing more changes."""
    done: list[Updated] = []
    heard = Heard()
    with contextlib.suppress(OverError):
        done.extend(follower.follow(Looks(*folders, changes=changes), first=heard, reporter=heard))
    return done, heard.messages


def test_all_folders_in_one_update(follower: Follower, photos: Path) -> None:
    ((update,), said) = updates(follower, photos, photos / "camera")
    assert (update.report.added, update.info.count, said) == (8, 8, [])


@pytest.mark.parametrize("empty", [False, True])
def test_a_disk_below_a_watched_folder_goes_away(
    follower: Follower, photos: Path, tmp_path: Path, empty: bool
) -> None:
    """Given by itself, it is missed; the folder around it would have its pictures leave."""
    other = write_noise(tmp_path / "other", 2, seed=2, first=80)
    folders = (photos, photos / "camera", other)
    updates(follower, *folders)
    shutil.move(photos / "camera", tmp_path / "away")
    if empty:
        (photos / "camera").mkdir()
    write_noise(other, 1, seed=3, first=90)
    ((update,), (complaint,)) = updates(follower, *folders)
    assert (update.report.added, update.report.removed, update.info.count) == (1, 0, 11)
    assert str(photos / "camera") in complaint
    assert ("is its disk mounted" if empty else "is not there") in complaint


def test_an_empty_folder_is_waited_for(follower: Follower, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    done, (complaint,) = updates(follower, tmp_path / "inbox")
    assert done == []
    assert complaint.startswith(f"No images found in {tmp_path / 'inbox'}.")


def test_a_collection_that_is_gone_is_told_of_and_not_made_anew(
    follower: Follower, photos: Path
) -> None:
    shutil.rmtree(follower.collection)
    done, (complaint,) = updates(follower, photos)
    assert done == []
    assert complaint.startswith(f"There is no collection {follower.collection}.")
    assert not follower.collection.exists()


class TestWhereIsLooked:
    """A picture is put where nobody tells of it: only a look at everything finds it."""

    @pytest.fixture
    def hidden(self, photos: Path) -> Change:
        def put() -> list[Path]:
            write_noise(photos, 1, seed=9, first=70)
            return []

        return put

    def test_only_where_something_has_happened(
        self, follower: Follower, photos: Path, hidden: Change
    ) -> None:
        done, said = updates(follower, photos, changes=[hidden, lambda: [photos / "007"]])
        assert ([each.report.added for each in done], said) == ([8, 0, 1], [])
        assert [each.report.unchanged for each in done] == [0, 8, 8]

    def test_everywhere_if_the_watch_does_not_know(
        self, follower: Follower, photos: Path, hidden: Change
    ) -> None:
        done, _ = updates(follower, photos, changes=[hidden, lambda: None])
        assert [each.report.added for each in done] == [8, 0, 1]

    def test_everywhere_once_an_hour(
        self, follower: Follower, photos: Path, hidden: Change, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = Looks(photos, changes=[hidden])
        with contextlib.suppress(OverError):
            for each in follower.follow(watch, first=Heard(), reporter=Heard()):
                last = each
        assert last.report.added == 0
        assert all(3500 < most <= follow.FULL == 3600 for most in watch.waits)
        monkeypatch.setattr(follow, "FULL", 0.0)

        def moved() -> list[Path]:
            (photos / "007").rename(photos / "b")
            return []

        done, _ = updates(follower, photos, changes=[moved])
        assert [(each.report.added, each.report.moved) for each in done] == [(1, 0), (0, 1)]

    def test_everywhere_if_somebody_else_has_written(
        self, follower: Follower, photos: Path, hidden: Change
    ) -> None:
        def remove() -> list[Path]:
            with Index.open(follower.collection, writable=True) as index:
                index.remove([photos / "camera"])
            return []

        done, _ = updates(follower, photos, changes=[hidden, remove])
        assert [each.report.added for each in done] == [8, 0, 4]

    def test_everywhere_after_an_update_that_failed(
        self, follower: Follower, photos: Path, hidden: Change
    ) -> None:
        def fail() -> list[Path]:
            follower.collection.rename(photos.parent / "away.clr")
            return []

        def mend() -> list[Path]:
            (photos.parent / "away.clr").rename(follower.collection)
            return []

        done, said = updates(follower, photos, changes=[hidden, fail, mend])
        assert [each.report.added for each in done] == [8, 0, 1]
        assert len(said) == 1

    def test_everywhere_from_the_first_link_on(
        self, follower: Follower, photos: Path, hidden: Change
    ) -> None:
        link = photos / "link"

        def unlinked() -> list[Path]:
            link.unlink()
            return [link]

        link.symlink_to(photos / "camera")
        done, _ = updates(follower, photos, changes=[unlinked, hidden])
        assert [each.report.added for each in done] == [8, 0, 1]

    def test_what_could_not_be_read_is_tried_again(
        self, follower: Follower, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on a disk that fails for now, which nobody tells of."""
        bad = photos / "000" / "00001.png"
        fine = update.checked
        failing = True

        def failed(result):
            if failing and result.path == bad:
                return update.Skipped(bad, 0, 0, "Input/output error")
            return fine(result)

        def mended() -> list[Path]:
            nonlocal failing
            failing = False
            return []

        monkeypatch.setattr(update, "checked", failed)
        done, _ = updates(follower, photos, changes=[list, mended])
        assert [each.report.added for each in done] == [7, 0, 1]
        assert [len(each.report.skipped) for each in done] == [1, 1, 0]
