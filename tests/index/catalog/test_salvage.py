"""What is believed of a damaged catalogue; whole repairs are in `test_repair.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFolder
from clr_search.images import Note
from clr_search.index.catalog import salvage
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import notes
from clr_search.index.catalog.records import SkippedFile
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.schema import VERSION
from tests.index.made import clustered, rows_of, sqlite_of, write_vectors

COUNT = 40


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A collection that SQLite can read."""
    folder = write_vectors(tmp_path / "x.clr", clustered(COUNT, 8))
    catalog = Catalog(folder, writable=True)
    with catalog.writing():
        catalog.set_goal('{"recall": 0.5}')
        catalog.set_last_generation(7)
        catalog.skip(SkippedFile("/pictures/bad.png", 3, 4, "no picture"))
        notes.keep(catalog, [("0" * 64, [Note("loss", "3 rows missing")])])
    catalog.database.close()
    return folder


def brought_over(source: Path, target: Path) -> int | None:
    target.mkdir()
    catalog = Catalog(target, writable=True)
    with salvage.opened(OwnFolder(source) / FILE_NAME) as damaged, catalog.writing() as revision:
        catalog.pin_encoder("0" * 64, "none", 8)
        lost = damaged.bring_over(catalog, 8, revision)
    catalog.database.close()
    return lost


def test_all_of_a_whole_one(source: Path, tmp_path: Path) -> None:
    assert brought_over(source, tmp_path / "y.clr") == 0
    assert rows_of(tmp_path / "y.clr") == rows_of(source)
    catalog = Catalog(tmp_path / "y.clr", writable=False)
    with catalog.reading():
        assert catalog.skipped() == [SkippedFile("/pictures/bad.png", 3, 4, "no picture")]
        assert catalog.facts().last_generation == 7
        assert catalog.database.scalar("SELECT notes FROM notes") == '[["loss", "3 rows missing"]]'
        assert catalog.revision() == 4  # one more than it was
        assert catalog.count(newest=3) == 0  # all are new to a reader of before


@pytest.mark.parametrize(
    "damage",
    [
        "embedding = x'00'",
        "embedding = x'" + np.full(8, np.nan, "<f2").tobytes().hex() + "'",
        "sha256 = 'none'",
        "sha256 = x'00'",
        "size = 'large'",
        "added_at = x'00'",
        "path = 3",
        "path = 'a' || char(0) || 'b'",
        "root_id = 99",
    ],
)
def test_an_item_that_is_not_whole_is_lost(source: Path, tmp_path: Path, damage: str) -> None:
    sqlite_of(source).execute(f"UPDATE items SET {damage} WHERE id = 5")
    assert brought_over(source, tmp_path / "y.clr") == 1
    rows = sqlite_of(tmp_path / "y.clr").execute("SELECT id FROM items ORDER BY id").fetchall()
    assert [number for (number,) in rows] == [n for n in range(1, COUNT + 1) if n != 5]


def test_ids_go_on_where_the_damaged_one_stood(source: Path, tmp_path: Path) -> None:
    sqlite_of(source).execute("DELETE FROM items WHERE id > 30")
    brought_over(source, tmp_path / "y.clr")
    (last,) = sqlite_of(tmp_path / "y.clr").execute("SELECT seq FROM sqlite_sequence").fetchone()
    assert last == COUNT


def test_facts_are_told_as_they_stand_there(source: Path) -> None:
    sqlite_of(source).execute("UPDATE meta SET value = 5 WHERE key = 'encoder_sha256'")
    with salvage.opened(OwnFolder(source) / FILE_NAME) as damaged:
        assert damaged.encoder_sha256() == 5
        assert damaged.goal() == '{"recall": 0.5}'


def test_what_kind_of_file_it_is(source: Path, tmp_path: Path) -> None:
    path = OwnFolder(source) / FILE_NAME
    assert salvage.is_whole(path)
    assert not salvage.is_foreign(path)
    assert salvage.schema_version(path) == VERSION
    assert salvage.item_count(path) == COUNT
    empty, noise = OwnFolder(tmp_path) / "empty", OwnFolder(tmp_path) / "noise"
    empty.write(b"")
    noise.write(b"\x5a" * 40_000)
    assert salvage.is_foreign(empty)
    assert not salvage.is_foreign(noise)  # nobody can tell
    assert not salvage.is_whole(noise)
    assert salvage.schema_version(noise) is None
    with pytest.raises(ClrSearchError, match="Nothing can be read of"), salvage.opened(noise):
        pass
