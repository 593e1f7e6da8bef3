"""Folders of ours: nothing is read, changed or deleted through what lies in them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.files.nofollow import NotOursError
from clr_search.files.own import OwnFolder, temporary_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")


@pytest.fixture
def ours(tmp_path: Path) -> OwnFolder:
    folder = OwnFolder.make(tmp_path / "ours")
    (folder / "one").write(b"1")
    (folder / "deep/two").write("two")
    return folder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("my thesis")
    return tmp_path / "mine"


def test_names_and_contents(ours: OwnFolder) -> None:
    assert ours.names() == ["deep", "one"]
    assert ours.names("deep") == ["two"]
    assert ours.names("none") == []
    assert (ours / "one").read_bytes() == b"1"
    assert (ours / "deep/two").read_text() == "two"
    assert (ours / "none").status() is None
    assert not (ours / "none").exists()
    with pytest.raises(FileNotFoundError):
        (ours / "none").open()


def test_a_link_at_any_depth_is_refused_by_its_name(ours: OwnFolder, mine: Path) -> None:
    (ours.path / "file").symlink_to(mine / "thesis.txt")
    (ours.path / "folder").symlink_to(mine)
    for name in ("file", "folder", "folder/thesis.txt"):
        for touch in (
            (ours / name).status,
            (ours / name).open,
            (ours / name).change,
            (ours / name).sha256,
            lambda name=name: (ours / name).write(b"gone"),
        ):
            with pytest.raises(NotOursError, match=name.split("/")[0]):
                touch()
    with pytest.raises(NotOursError):
        ours.inside("folder")
    with pytest.raises(NotOursError):
        ours.names("folder")
    with pytest.raises(NotOursError):
        (ours / "folder/thesis.txt").delete()
    assert (mine / "thesis.txt").read_text() == "my thesis"
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


def test_a_link_is_deleted_and_what_it_leads_to_stays(ours: OwnFolder, mine: Path) -> None:
    (ours.path / "folder").symlink_to(mine)
    (ours / "folder").delete()
    (ours / "folder").delete()  # it is gone already
    assert ours.names() == ["deep", "one"]
    assert (mine / "thesis.txt").exists()
    with pytest.raises(NotOursError, match="a folder"):
        (ours / "deep").delete()


def test_only_whole_names_that_match_are_deleted(ours: OwnFolder) -> None:
    for name in ("7.faiss", "7.faiss.txt", "my 7.faiss", "8.faiss"):
        (ours / f"ann/{name}").write(b"x")
    ours.delete("ann", re.compile(r"\d+\.faiss"), keep=frozenset({"8.faiss"}))
    assert ours.names("ann") == ["7.faiss.txt", "8.faiss", "my 7.faiss"]
    ours.discard("ann", re.compile(r"\d+\.faiss"))
    assert ours.names("ann") == ["7.faiss.txt", "my 7.faiss"]
    ours.discard("ann", re.compile(".*"))
    assert ours.names() == ["deep", "one"]


def test_what_has_a_second_name_is_read_and_not_changed(ours: OwnFolder, mine: Path) -> None:
    os.link(mine / "thesis.txt", ours.path / "lock")
    assert (ours / "lock").read_bytes() == b"my thesis"
    with pytest.raises(NotOursError, match="lock"):
        (ours / "lock").change()
    (ours / "lock").write(b"new")  # takes the name, and leaves the other file
    assert (mine / "thesis.txt").read_text() == "my thesis"


def test_a_replacement_comes_whole_or_not_at_all(ours: OwnFolder) -> None:
    def interrupted() -> None:
        with (ours / "one").replacing() as file:
            file.write(b"half")
            file.flush()
            temporary = [name for name in ours.names() if name.endswith(".tmp")]
            assert temporary_of("one").fullmatch(temporary[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (ours / "one").read_bytes() == b"1"
    assert ours.names() == ["deep", "one"]


def test_the_folder_stays_the_one_that_was_opened(ours: OwnFolder, mine: Path) -> None:
    moved = ours.path.with_name("moved")
    ours.path.rename(moved)
    ours.path.symlink_to(mine)
    assert not ours.is_in_place()
    (ours / "three").write(b"3")
    assert (moved / "three").read_bytes() == b"3"
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    with pytest.raises(NotOursError, match="moved, deleted or replaced"):
        ours.require_in_place()


def test_what_is_no_text_is_named(ours: OwnFolder) -> None:
    (ours / "one").write(b"\xff")
    with pytest.raises(ClrSearchError, match="one is damaged: it is no text"):
        (ours / "one").read_text()
