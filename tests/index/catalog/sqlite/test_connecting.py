"""SQLite files of strangers: links, journals that name other files, copies without -shm."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from clr_search.files.nofollow import NotOursError
from clr_search.files.own import OwnFolder
from clr_search.index.catalog.sqlite import connecting, database
from clr_search.index.catalog.sqlite.database import FILE_NAME, Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = OwnFolder.make(tmp_path / "x.clr")
    Database(made, writable=True).close()
    return made.path


def journal_naming(path: Path) -> bytes:
    """A rollback journal of SQLite that names a super-journal."""
    magic, name = bytes.fromhex("d9d505f920a163d7"), os.fsencode(path)
    numbers = (0, 0, 1, 512, 16384)
    head = magic + b"".join(number.to_bytes(4, "big") for number in numbers)
    tail = (1).to_bytes(4, "big") + name + len(name).to_bytes(4, "big")
    return head.ljust(512, b"\0") + tail + sum(name).to_bytes(4, "big") + magic


def test_a_journal_that_names_another_file_deletes_nothing(folder: Path, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("my thesis")
    (folder / f"{FILE_NAME}-journal").write_bytes(journal_naming(thesis))
    for writable in (False, True):
        with pytest.raises(NotOursError, match="names another file"):
            Database(OwnFolder(folder), writable=writable)
    assert thesis.read_text() == "my thesis"


def test_a_file_that_is_replaced_while_it_is_opened(folder: Path, tmp_path: Path) -> None:
    file = OwnFolder(folder) / FILE_NAME
    before = connecting.require_ours(file)
    connecting.require_same(file, before)
    shutil.copy(folder / FILE_NAME, tmp_path / "other")
    (tmp_path / "other").replace(folder / FILE_NAME)
    with pytest.raises(NotOursError, match="was replaced while"):
        connecting.require_same(file, before)


def test_a_folder_that_is_replaced_while_it_is_opened(folder: Path, tmp_path: Path) -> None:
    file = OwnFolder(folder) / FILE_NAME
    before = connecting.require_ours(file)
    folder.rename(tmp_path / "moved.clr")
    folder.symlink_to(tmp_path / "moved.clr")
    with pytest.raises(NotOursError, match="was moved, deleted or replaced"):
        connecting.require_same(file, before)


def test_a_read_only_copy_with_a_wal_and_without_its_index(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was committed is read; nothing is made, locked, or folded into the file."""
    owner = Database(OwnFolder(folder), writable=True)
    with owner.writing():
        owner.rows("INSERT INTO meta VALUES ('a', 1)")
    copy = tmp_path / "copy.clr"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*-shm"))
    assert (copy / f"{FILE_NAME}-wal").stat().st_size
    contents = {path.name: path.read_bytes() for path in copy.iterdir()}
    access = os.access
    monkeypatch.setattr(
        database.os, "access", lambda path, mode: Path(path) != copy and access(path, mode)
    )
    reader = Database(OwnFolder(copy), writable=False)
    with reader.reading():
        assert reader.scalar("SELECT value FROM meta WHERE key = 'a'") == 1
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.rows("DELETE FROM meta")
    reader.close()
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == contents
