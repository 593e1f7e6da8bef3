"""Older schemas: read as they lie, and migrated by the next writer, with nothing lost."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index, repair
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.sqlite import migrations, schema
from tests.index.made import Heard, sqlite_of, write_vectors

GOLDEN = Path(__file__).parent / "golden" / "collection-v1.sql"
"""Written by the release that had version 1, and dumped by SQLite."""

QUERY = np.arange(8, dtype=np.float32) - 3
FOUND = [10, 8, 9, 7]
SCORES = [0.6631003022193909, 0.6596165895462036, 0.6477730870246887, 0.4484716057777405]
"""What that release answered."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A collection of version 1."""
    folder = tmp_path / "old.clr"
    folder.mkdir()
    connection = sqlite3.connect(folder / "catalog.sqlite")
    connection.executescript(GOLDEN.read_text(encoding="utf-8"))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return folder


def version(collection: Path) -> int:
    return int(sqlite_of(collection).execute("PRAGMA user_version").fetchone()[0])


def tables(collection: Path) -> set[tuple[str, ...]]:
    """Tables and indexes, with the SQL that made them but for its comments."""
    rows = sqlite_of(collection).execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    return {(kind, name, table, schema.plain_sql(sql or "")) for kind, name, table, sql in rows}


def content(collection: Path) -> list[list[tuple[object, ...]]]:
    """All rows, but for the place of the collection, which every writer stores."""
    connection = sqlite_of(collection)
    names = ("items", "roots", "skipped", "staged", "sqlite_sequence")
    meta = connection.execute("SELECT * FROM meta WHERE key != 'home'").fetchall()
    return [*(connection.execute(f"SELECT * FROM {name}").fetchall() for name in names), meta]


def answers(index: Index) -> object:
    """All that a reader can see."""
    held = index.embeddings()
    where = Filter(min_side=50, min_bytes=2000)
    return (
        index.items(held.ids.tolist()),
        held.vectors.tolist(),
        [list(index.search(number, 5)) for number in held.ids.tolist()],
        list(index.search_vector(QUERY, 4, where=where)),
        index.skipped(),
        held.labels,
        list(held.paths),
    )


def test_a_reader_reads_it_as_it_lies(old: Path) -> None:
    before = (old / "catalog.sqlite").read_bytes()
    heard = Heard()
    with Index.open(old, reporter=heard) as index:
        found = index.search_vector(QUERY, 4)
        assert found.ids.tolist() == FOUND
        assert found.scores.tolist() == SCORES
        assert index.item(4).label == "caf\udce9"
    assert heard.messages == []
    assert (old / "catalog.sqlite").read_bytes() == before


def test_a_writer_migrates_it_and_nothing_is_lost(old: Path) -> None:
    with Index.open(old) as index:
        before = answers(index)
    rows = content(old)
    heard = Heard()
    with Index.open(old, writable=True, reporter=heard) as index:
        assert answers(index) == before
    assert heard.messages == [
        f"Brought {old} from schema version 1 to 2: filters by date and size are answered by an "
        "index. Older releases of clr-search cannot open it any more.",
        f"Brought {old} from schema version 2 to 3: each stored vector has a checksum, so that a "
        "damaged one is noticed. Older releases of clr-search cannot open it any more.",
        f"Brought {old} from schema version 3 to 4: dates, cameras and places are kept, which the "
        "next update reads from the files. Older releases of clr-search cannot open it any more.",
        f"Brought {old} from schema version 4 to 5: what was said to be no copy is remembered. "
        "Older releases of clr-search cannot open it any more.",
        f"Brought {old} from schema version 5 to 6: what is read with a loss from now on is kept, "
        "and named by info -v. Older releases of clr-search cannot open it any more.",
    ]
    items, *others = rows
    assert content(old) == [[(*item, zlib.crc32(item[-1])) for item in items], *others]
    assert version(old) == schema.VERSION
    with Index.open(old, writable=True, reporter=(again := Heard())) as index:
        assert index.search_vector(QUERY, 4).scores.tolist() == SCORES
    assert again.messages == []


def test_migrated_it_is_like_a_new_one(old: Path, tmp_path: Path) -> None:
    new = write_vectors(tmp_path / "new.clr", np.eye(4, dtype=np.float32))
    assert {name for _, name, *_ in tables(old)} < {name for _, name, *_ in tables(new)}
    Index.open(old, writable=True).close()
    assert tables(old) == tables(new)
    assert version(old) == version(new) == schema.VERSION


def test_there_is_a_way_from_every_version_that_is_read() -> None:
    steps = [step.version for step in migrations.MIGRATIONS]
    assert steps == list(range(schema.READABLE + 1, schema.VERSION + 1))


@pytest.mark.parametrize("number", range(len(migrations.MIGRATIONS)))
def test_a_migration_that_fails_leaves_the_version_before(
    old: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last statement fails: neither the first nor the version number is kept."""
    rows, before = content(old), tables(old)
    step = migrations.MIGRATIONS[number]
    broken = migrations.Migration(2, (*step.statements, "DROP TABLE absent"), step.gain)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (broken,))
        with pytest.raises(ClrSearchError, match="no such table"):
            Index.open(old, writable=True)
    assert (version(old), tables(old), content(old)) == (1, before, rows)
    Index.open(old, writable=True).close()  # the lock is free again
    assert version(old) == schema.VERSION


@pytest.mark.parametrize("number", [0, schema.VERSION + 1])
def test_a_version_that_this_release_does_not_read(old: Path, number: int) -> None:
    sqlite_of(old).execute(f"PRAGMA user_version = {number}")
    for writable in (False, True):
        with pytest.raises(UsageError, match=f"schema version {number}; this release reads 1 to"):
            Index.open(old, writable=writable)
    assert version(old) == number


def test_a_reader_notices_that_a_newer_release_has_been_there(old: Path) -> None:
    with Index.open(old) as index:
        Index.open(old, writable=True).close()
        assert index.search_vector(QUERY, 4).ids.tolist() == FOUND
        sqlite_of(old).execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        with pytest.raises(UsageError, match="matching release"):
            index.search_vector(QUERY, 4)


def test_a_damaged_catalogue_of_a_newer_release_is_not_repaired_by_halves(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold what this release knows nothing of."""
    sqlite_of(old).execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    monkeypatch.setattr(repair.salvage, "is_whole", lambda path: False)
    with pytest.raises(UsageError, match="matching release"):
        repair.repair(old)
    assert [path.name for path in old.glob("*.sqlite")] == ["catalog.sqlite"]
