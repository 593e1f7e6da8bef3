"""Updates that look only where something has happened, held against those that look everywhere.

For a long run: ``CLR_SEARCH_RUNBOOKS=500``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.follow import Follower
from clr_search.progress import Silent
from tests.index.made import sqlite_of, write_noise

FOLDERS = ("photos", "photos/b", "other")  # the watched ones, one within another
PLACES = ("photos", "photos/a", "photos/a/d", "photos/b", "photos/b/e", "photos/.h", "other/f")
NAMES = ("1.png", "2.png", "3.JPG", "4.txt", ".5.png")
PATHS = tuple(f"{place}/{name}" for place in PLACES for name in NAMES)
MOVABLE = (
    "photos/a",
    "photos/a/d",
    "photos/b/e",
    "photos/.h",
    "other/f",
    "other/g",
    "photos/v1.png",
)


class Told:
    """A watch of what the test has done."""

    def __init__(self, folders: list[str]) -> None:
        self.folders = folders
        self.paths: set[str] = set()

    def wait(self, most: float) -> frozenset[str]:
        told, self.paths = frozenset(self.paths), set()
        return told


class Changing(RuleBasedStateMachine):
    """Files change in every way; the follower's collection must be that of a full update.

    `links` also makes symbolic links, after which it has to look everywhere.
    """

    def __init__(self, encoder: Path, contents: list[bytes], *, links: bool) -> None:
        super().__init__()
        self._contents = contents
        self._links = links
        self._temporary = tempfile.TemporaryDirectory()
        self._root = Path(self._temporary.name).resolve()
        for place in PLACES:
            (self._root / place).mkdir(parents=True, exist_ok=True)
        for number, folder in enumerate(FOLDERS):  # a folder without pictures would be refused
            (self._root / folder / "stays.png").write_bytes(contents[number])
        self._folders = [str(self._root / folder) for folder in FOLDERS]
        self._told = Told(self._folders)
        self._collection = self._root / "x.clr"
        Index.create(self._collection, encoder).close()
        follower = Follower(self._collection, batch_size=3, workers=1)
        self._updates = follower.follow(self._told, first=Silent(), reporter=Silent())
        next(self._updates)
        for name in ("photos/b/4.txt", "other/f/.5.png"):  # that no search of a folder finds
            (self._root / name).write_bytes(contents[3])
            with Index.open(self._collection, writable=True) as index:
                index.add([self._root / name])
        next(self._updates)  # everywhere, since somebody else has written

    def teardown(self) -> None:
        self._updates.close()
        self._temporary.cleanup()

    def _touch(self, path: Path) -> Path:
        """The path, which the watch will tell of."""
        self._told.paths.add(str(path))
        return path

    def _files(self) -> list[str]:
        return sorted(
            str(path.relative_to(self._root))
            for folder in self._folders
            for path in Path(folder).rglob("*")
            if path.is_file() and path.name != "stays.png"
        )

    @rule(path=st.sampled_from(PATHS), content=st.integers(0, 11))
    def write(self, path: str, content: int) -> None:
        place = self._root / path
        if place.parent.is_dir() and not place.is_dir():
            self._touch(place).write_bytes(self._contents[content])

    @rule(path=st.sampled_from(PATHS), content=st.integers(0, 11))
    def replace_at_once(self, path: str, content: int) -> None:
        """As editors do: another file takes the name."""
        place = self._root / path
        if place.parent.is_dir() and not place.is_dir():
            temporary = self._touch(place.with_name(f".{place.name}.tmp"))
            temporary.write_bytes(self._contents[content])
            temporary.replace(self._touch(place))

    @rule(data=st.data(), again=st.booleans())
    def delete(self, data: st.DataObject, again: bool) -> None:
        if files := self._files():
            path = self._touch(self._root / data.draw(st.sampled_from(files)))
            content = path.read_bytes()
            path.unlink()
            if again:
                path.write_bytes(content)

    @rule(data=st.data(), to=st.sampled_from(PATHS), copy=st.booleans())
    def move_or_copy(self, data: st.DataObject, to: str, copy: bool) -> None:
        files, target = self._files(), self._root / to
        if not files or not target.parent.is_dir() or target.exists():
            return
        source = self._root / data.draw(st.sampled_from(files))
        if copy:
            shutil.copy2(source, self._touch(target), follow_symlinks=False)
        else:
            self._touch(source).rename(self._touch(target))

    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        if files := self._files():
            os.utime(self._touch(self._root / data.draw(st.sampled_from(files))), ns=(5, 10**18))

    @rule(source=st.sampled_from(MOVABLE), to=st.sampled_from(MOVABLE))
    def move_folder(self, source: str, to: str) -> None:
        here, there = self._root / source, self._root / to
        inside = there.is_relative_to(here)
        if here.is_dir() and not inside and there.parent.is_dir() and not os.path.lexists(there):
            self._touch(here).rename(self._touch(there))

    @rule(folder=st.sampled_from(MOVABLE))
    def delete_folder(self, folder: str) -> None:
        place = self._root / folder
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(self._touch(place))

    @rule(folder=st.sampled_from(MOVABLE), content=st.integers(0, 11))
    def move_folder_in(self, folder: str, content: int) -> None:
        """From elsewhere; nothing is told of what lies in it."""
        place = self._root / folder
        if place.parent.is_dir() and not os.path.lexists(place):
            made = self._root / "elsewhere"
            (made / "deep").mkdir(parents=True)
            (made / "in.png").write_bytes(self._contents[content])
            (made / "deep" / "4.txt").write_bytes(self._contents[content - 1])
            (made / "deep" / "1.png").write_bytes(self._contents[content - 2])
            made.rename(self._touch(place))

    @rule(data=st.data(), to=st.sampled_from(PATHS))
    def link_hard(self, data: st.DataObject, to: str) -> None:
        files, target = self._files(), self._root / to
        if files and target.parent.is_dir() and not os.path.lexists(target):
            source = self._root / data.draw(st.sampled_from(files))
            if not source.is_symlink():
                os.link(source, self._touch(target))

    @precondition(lambda self: self._links)
    @rule(data=st.data(), to=st.sampled_from([*PATHS, *MOVABLE]), folder=st.booleans())
    def link(self, data: st.DataObject, to: str, folder: bool) -> None:
        places = list(MOVABLE) if folder else [*PATHS, "nowhere.png"]
        target = self._root / to
        if target.parent.is_dir() and not os.path.lexists(target):
            self._touch(target).symlink_to(self._root / data.draw(st.sampled_from(places)))

    @rule()
    def update(self) -> None:
        copy = self._root / "copy.clr"
        shutil.copytree(self._collection, copy)
        with Index.open(copy, writable=True) as index:
            expected = index.update(self._folders, batch_size=3, workers=1)
        done = next(self._updates)
        # Of files that are no pictures by their names, only a look at everything tells.
        assert replace(done.report, left_out=()) == replace(expected, left_out=())
        assert _rows(self._collection) == _rows(copy)
        shutil.rmtree(copy)

    @invariant()
    def kept_up(self) -> None:
        if len(self._told.paths) > 3:
            self.update()


def _rows(collection: Path) -> list[list[tuple[object, ...]]]:
    """All that a collection knows of files, but for the times when they came in."""
    connection = sqlite_of(collection)
    try:
        return [
            connection.execute(sql).fetchall()
            for sql in (
                "SELECT id, root_id, path, label, size, mtime_ns, sha256, embedding FROM items "
                "ORDER BY id",
                "SELECT * FROM skipped ORDER BY path",
                "SELECT id, path, given FROM roots ORDER BY id",
            )
        ]
    finally:
        connection.close()


@pytest.mark.parametrize("links", [False, True])
def test_as_a_full_update(tmp_path: Path, tiny_encoder: Path, links: bool) -> None:
    photos = write_noise(tmp_path / "made", 10)
    contents = [path.read_bytes() for path in sorted(photos.rglob("*.png"))]
    contents += [b"no picture", contents[0][:300]]
    run_state_machine_as_test(
        lambda: Changing(tiny_encoder, contents, links=links),
        settings=settings(
            max_examples=int(os.environ.get("CLR_SEARCH_RUNBOOKS", "12")),
            stateful_step_count=25,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "photos", 60)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: Path, photos: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        index.update([photos])
        yield index


@pytest.fixture
def looked_at(photos: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file or folder below `photos` that the system is asked about, as often as it is."""
    asked: list[str] = []

    def noting(real: Callable[..., Any]) -> Callable[..., Any]:
        def noted(path: Any, *rest: Any, **options: Any) -> Any:
            if str(path).startswith(str(photos)):
                asked.append(str(path))
            return real(path, *rest, **options)

        return noted

    for name in ("stat", "lstat", "scandir"):
        monkeypatch.setattr(os, name, noting(getattr(os, name)))
    return asked


def test_what_is_not_changed_is_not_looked_at(
    index: Index, photos: Path, looked_at: list[str]
) -> None:
    index.update([photos])
    assert len(looked_at) >= 2 * 60
    looked_at.clear()
    changed = photos / "003" / "00031.png"
    changed.write_bytes((photos / "003" / "00032.png").read_bytes())
    looked_at.clear()
    report = index.update([photos], changed=[changed])
    assert (report.changed, report.unchanged) == (1, 59)
    assert {path for path in looked_at if path.endswith(".png")} == {str(changed)}
    assert len(looked_at) <= 12
    looked_at.clear()
    (photos / "005").rename(photos / "moved")
    report = index.update([photos], changed=[photos / "005", photos / "moved"])
    assert (report.moved, report.unchanged) == (10, 50)
    others = [path for path in looked_at if "/005" not in path and "/moved" not in path]
    assert set(others) <= {str(photos)}


def test_links_have_everything_looked_at(index: Index, photos: Path) -> None:
    """What happens at one path then changes the picture of another one."""
    one, other = photos / "000" / "00000.png", photos / "001" / "00010.png"
    other.unlink()
    os.link(one, other)
    assert index.update([photos], changed=[other]).changed == 1
    data = (photos / "002" / "00020.png").read_bytes()
    one.write_bytes(data)
    report = index.update([photos], changed=[one])
    assert (report.changed, report.unchanged, report.untold) == (2, 58, False)
    other.write_bytes((photos / "003" / "00030.png").read_bytes())
    (photos / "001").rename(photos / "moved")
    report = index.update([photos], changed=[photos / "001", photos / "moved"])
    assert (report.changed, report.moved, report.unchanged) == (1, 9, 49)
    (photos / "link").symlink_to(photos / "002")
    (photos / "untold.png").write_bytes(data)
    report = index.update([photos], changed=[photos / "link"])
    assert (report.added, report.untold) == (1, True)


@pytest.mark.parametrize("name", ["link.png", "link", "link.txt"])
def test_links_are_told_of(index: Index, photos: Path, name: str) -> None:
    assert not index.update([photos]).untold
    (photos / "000" / name).symlink_to(photos / "not there yet")
    assert index.update([photos]).untold


def test_a_folder_without_any_of_its_pictures_is_refused_as_ever(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    other = write_noise(tmp_path / "other", 3, first=90)
    index.update([photos, other])
    told = list(photos.iterdir())
    for folder in told:
        folder.rename(tmp_path / folder.name)
    with pytest.raises(UsageError, match="has no images at all, but 60 in the collection"):
        index.update([photos, other], changed=told)
    assert len(index) == 63


def test_what_lies_elsewhere_is_no_business_of_the_update(
    index: Index, photos: Path, tmp_path: Path
) -> None:
    elsewhere = write_noise(tmp_path / "elsewhere", 1, first=90) / "009" / "00090.png"
    report = index.update([photos], changed=[elsewhere, photos.with_name("photos-too")])
    assert (report.added, report.unchanged) == (0, 60)
    with pytest.raises(UsageError, match="is no absolute path"):
        index.update([photos], changed=["photos/1.png"])
