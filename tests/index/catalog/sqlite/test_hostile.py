"""A catalogue from a stranger: no SQL in it is run, and no number in it is believed."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from sqlite3 import IntegrityError

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFolder
from clr_search.index import Index
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.repair import repair
from tests.index.made import clustered, sqlite_of, write_vectors

SCHEMAS = {
    "trigger": "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN DELETE FROM items; END",
    "trigger on insert": "CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM roots; END",
    "view": "CREATE VIEW v AS SELECT * FROM items",
    "view in place of a table": "DROP TABLE skipped; CREATE VIEW skipped AS WITH RECURSIVE "
    "n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, 1, 1, 'r' FROM n",
    "view in place of items": "ALTER TABLE items RENAME TO kept; CREATE VIEW items AS "
    "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS id FROM n",
    "virtual table": "CREATE VIRTUAL TABLE words USING fts5 (word)",
    "another table": "CREATE TABLE songs (title)",
    "index on an expression": "CREATE INDEX i ON items (length(hex(path)))",
    "partial index": "CREATE INDEX i ON items (id) WHERE length(zeroblob(100)) > 1",
    "generated column": "ALTER TABLE items ADD COLUMN huge AS (zeroblob(1000000000))",
    "check": "ALTER TABLE items ADD COLUMN c CHECK (length(hex(zeroblob(100000000))) > 1)",
    "default": "ALTER TABLE meta ADD COLUMN d DEFAULT 'x'",
}


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return write_vectors(tmp_path / "x.clr", clustered(20, 8))


@pytest.mark.parametrize("what", SCHEMAS)
def test_what_we_have_not_made_is_refused(collection: Path, what: str) -> None:
    with closing(sqlite_of(collection)) as connection:
        connection.executescript(SCHEMAS[what])
    before = (collection / "catalog.sqlite").read_bytes()
    for opening in (
        lambda: Index.open(collection),
        lambda: Index.open(collection, writable=True),
        lambda: Index.create(collection),
        lambda: repair(collection),
    ):
        with pytest.raises(UsageError, match="holds what no release of clr-search makes") as caught:
            opening()
        assert "catalog.sqlite" in caught.value.what
        assert "Do not use the collection" in caught.value.remedy
    assert (collection / "catalog.sqlite").read_bytes() == before


def test_what_sqlite_makes_is_no_offence(collection: Path) -> None:
    with closing(sqlite_of(collection)) as connection:
        connection.execute("ANALYZE")
    with Index.open(collection, writable=True) as index:
        assert len(index) == 20


def test_numbers_of_the_file_are_not_believed(collection: Path) -> None:
    with closing(sqlite_of(collection)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    data = bytearray((collection / "catalog.sqlite").read_bytes())
    data[48:52] = (2**31 - 1).to_bytes(4, "big")  # the suggested size of the cache, in pages
    (collection / "catalog.sqlite").write_bytes(data)
    for writable in (False, True):
        catalog = Catalog(OwnFolder(collection), writable=writable)
        assert catalog.database.integer("PRAGMA cache_size") == -8192
        assert catalog.database.integer("PRAGMA cell_size_check") == 1
        assert catalog.database.integer("PRAGMA trusted_schema") == 0
        catalog.database.close()


@pytest.mark.parametrize("offset", [16, 18, 19, 20, 21, 44, 47, 56, 59, 60, 96])
@pytest.mark.parametrize("value", [0, 1, 127, 255])
def test_each_number_of_the_header(
    collection: Path, tmp_path: Path, offset: int, value: int
) -> None:
    path = tmp_path / "y.clr"
    shutil.copytree(collection, path)
    data = bytearray((path / "catalog.sqlite").read_bytes())
    data[offset] = value
    (path / "catalog.sqlite").write_bytes(data)
    said = ""
    try:
        with Index.open(path) as index:
            said = f"{len(index.vectors()[0])} vectors"
    except ClrSearchError as error:
        said = f"{error.what} {error.remedy}"
    assert said == "20 vectors" or "y.clr" in said


VALUES = (None, -1, 2**62, 1.5, "x", b"\xff\x00", b"", "a\0b", "../../x", 1e300)
COLUMNS = {
    "items": (
        "root_id", "path", "size", "mtime_ns", "sha256", "width", "height", "label", "added_at",
    ),
    "roots": ("path", "given"),
    "skipped": ("path", "size", "mtime_ns", "reason"),
}  # fmt: skip


def everything(collection: Path, pictures: Path) -> str:
    """All that is read of rows; the error of the first that is refused."""
    try:
        with Index.open(collection, writable=True) as index:
            index.info()
            index.skipped()
            held = index.embeddings()
            list(held.paths)
            index.items(held.ids.tolist())
            index.search(held.ids.tolist()[0], 5)
            index.add([pictures])
    except ClrSearchError as error:
        return f"{error.what} {error.remedy}"
    return ""


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in COLUMNS for column in COLUMNS[table]]
)
def test_values_of_other_types_are_told_and_repaired(
    tiny_encoder: Path, pictures: Path, tmp_path: Path, table: str, column: str
) -> None:
    whole = tmp_path / "whole.clr"
    with Index.create(whole, tiny_encoder) as index:
        index.update([pictures])
    with closing(sqlite_of(whole)) as connection:
        connection.execute("INSERT INTO skipped VALUES ('/x', 1, 1, 'r')")
    for number, value in enumerate(VALUES):
        path = tmp_path / f"{number}.clr"
        shutil.copytree(whole, path)
        with closing(sqlite_of(path)) as connection:
            try:
                where = "WHERE id = 2" if table == "items" else ""
                connection.execute(f"UPDATE {table} SET {column} = ? {where}", [value])
            except IntegrityError:
                continue  # SQLite takes no NULL there
        said = everything(path, pictures)
        assert not said or f"{number}.clr" in said
        repair(path)
        if table != "roots":
            assert everything(path, pictures) == ""
