from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFolder
from clr_search.index.catalog.sqlite import connecting, database
from clr_search.index.catalog.sqlite.database import (
    APPLICATION_ID,
    FILE_NAME,
    Database,
    plain,
    text,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "x.clr"
    path.mkdir()
    opened(path, writable=True).close()
    return path


def opened(folder: Path, *, writable: bool) -> Database:
    return Database(OwnFolder(folder), writable=writable)


def put(writer: Database, key: str, value: int) -> None:
    with writer.writing():
        writer.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)


def get(reader: Database, key: str) -> object:
    with reader.reading():
        return reader.scalar("SELECT value FROM meta WHERE key = ?", key)


@given(st.text(st.characters(codec=None), max_size=20))
def test_any_file_name_survives_sqlite(name: str) -> None:
    stored = text(name)
    connection = sqlite3.connect(":memory:")
    (back,) = connection.execute("SELECT ?", (stored,)).fetchone()
    assert plain(back) == name
    assert isinstance(stored, bytes) == any("\ud800" <= c <= "\udfff" for c in name)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (PurePosixPath("/a b/x#?.sqlite"), "file:///a%20b/x%23%3F.sqlite"),
        (PureWindowsPath("C:/a b/x.sqlite"), "file:///C:/a%20b/x.sqlite"),
        (PureWindowsPath("//server/share/x.sqlite"), "file:////server/share/x.sqlite"),
    ],
)
def test_the_name_of_a_catalogue_has_no_authority(path: PurePath, uri: str) -> None:
    """With one, as that of a share would have, SQLite refuses it."""
    assert connecting.uri_of(path) == uri


def test_sqlite_takes_the_name_of_a_share_so(folder: Path) -> None:
    connection = sqlite3.connect(f"file:///{folder / FILE_NAME}?mode=ro", uri=True)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    with pytest.raises(sqlite3.OperationalError, match="authority"):
        sqlite3.connect("file://server/share/x.sqlite?mode=ro", uri=True)


def test_the_file_says_whose_it_is(folder: Path) -> None:
    connection = sqlite3.connect(folder / FILE_NAME)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_acknowledged_commit_is_synced(folder: Path) -> None:
    writer = opened(folder, writable=True)
    assert writer.integer("PRAGMA synchronous") == 2
    assert writer.integer("PRAGMA fullfsync") == 1


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    for writable in (False, True):
        with pytest.raises(UsageError, match="belongs to something else"):
            opened(tmp_path, writable=writable)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"not a database, but some text of another program" * 99])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ClrSearchError, match="cut short" if not content else "damaged"):
        opened(tmp_path, writable=False)


def test_a_creation_that_was_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / FILE_NAME).execute("PRAGMA journal_mode = WAL")
    with pytest.raises(UsageError, match="cut short"):
        opened(tmp_path, writable=False)
    writer = opened(tmp_path, writable=True)
    put(writer, "a", 1)
    assert get(opened(tmp_path, writable=False), "a") == 1


def test_a_damaged_page_is_reported_with_a_remedy(folder: Path) -> None:
    path = folder / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:16384] + b"\x5a" * (len(whole) - 16384))
    with pytest.raises(ClrSearchError, match="is damaged") as caught:
        get(opened(folder, writable=False), "a")
    assert "backup" in caught.value.remedy
    assert caught.value.exit_code == 1


def test_a_failed_transaction_leaves_nothing(folder: Path) -> None:
    writer = opened(folder, writable=True)

    def fail() -> None:
        with writer.writing():
            writer.rows("INSERT INTO meta VALUES ('a', 1)")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert get(writer, "a") is None
    put(writer, "a", 2)
    assert get(writer, "a") == 2


def test_a_mistake_of_ours_is_not_called_damage(folder: Path) -> None:
    writer = opened(folder, writable=True)

    def twice() -> None:
        with writer.writing():
            for _ in range(2):
                writer.rows("INSERT INTO meta VALUES ('a', 1)")

    with pytest.raises(sqlite3.IntegrityError):
        twice()


def test_a_reader_sees_one_snapshot_while_a_writer_commits(folder: Path) -> None:
    writer, reader = opened(folder, writable=True), opened(folder, writable=False)
    put(writer, "a", 1)
    with reader.reading():
        assert reader.scalar("SELECT value FROM meta") == 1
        put(writer, "a", 2)
        with reader.reading():  # joins
            assert reader.scalar("SELECT value FROM meta") == 1
    assert get(reader, "a") == 2


def test_a_reader_cannot_write(folder: Path) -> None:
    with pytest.raises(ClrSearchError, match="readonly"):
        put(opened(folder, writable=False), "a", 1)


def test_a_foreign_lock_is_named_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = opened(folder, writable=True)
    writer._connection.execute("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ClrSearchError, match="locked") as caught:
        put(writer, "a", 1)
    assert "Another program" in caught.value.remedy


def test_a_closed_one_says_so(folder: Path) -> None:
    reader = opened(folder, writable=False)
    reader.close()
    with pytest.raises(ClrSearchError, match="has been closed"):
        get(reader, "a")


def test_threads_take_turns(folder: Path) -> None:
    writer = opened(folder, writable=True)
    put(writer, "a", 0)

    def count() -> None:
        for _ in range(50):
            with writer.writing():
                seen = writer.integer("SELECT value FROM meta WHERE key = 'a'")
                writer.rows("INSERT OR REPLACE INTO meta VALUES ('a', ?)", seen + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert get(writer, "a") == 200


class TestWhereNothingMayBeWritten:
    """Tests may run as root, for whom every folder is writable; so the system's answer is given."""

    @pytest.fixture(autouse=True)
    def _sealed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        access = os.access
        monkeypatch.setattr(
            database.os, "access", lambda path, mode: path != folder and access(path, mode)
        )

    def test_a_reader_leaves_no_trace(self, folder: Path) -> None:
        reader = opened(folder, writable=False)
        assert get(reader, "a") is None
        assert list(folder.iterdir()) == [folder / FILE_NAME]

    def test_an_empty_wal_that_was_copied_along_is_no_hindrance(self, folder: Path) -> None:
        (folder / f"{FILE_NAME}-wal").touch()
        assert get(opened(folder, writable=False), "a") is None
        assert not (folder / f"{FILE_NAME}-shm").exists()

    def test_a_reader_sees_what_the_owner_writes_later(self, folder: Path) -> None:
        reader = opened(folder, writable=False)
        assert get(reader, "a") is None
        owner = opened(folder, writable=True)
        put(owner, "a", 1)
        assert get(reader, "a") == 1  # through the owner's WAL
        put(owner, "a", 2)
        assert get(reader, "a") == 2
        owner.close()
        assert get(reader, "a") == 2

    def test_a_reader_follows_a_replaced_file(self, folder: Path, tmp_path: Path) -> None:
        reader = opened(folder, writable=False)
        assert get(reader, "a") is None
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        writer = opened(copy, writable=True)
        put(writer, "a", 3)
        writer.close()
        (copy / FILE_NAME).replace(folder / FILE_NAME)
        assert get(reader, "a") == 3
