"""Reads a damaged catalogue, and copies its intact items to a new one.

SQLite reports a damaged page when it reads it, and reads all the others. So items are read one
range of ids after another, and where that fails one by one. An item is copied only if it is intact:
it has an embedding of the right length with finite values, which is that of its checksum, a
SHA-256, and a path that no other item has. Nothing here goes through `Database`, which refuses
damaged files.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFile
from clr_search.index.catalog import facts
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.sqlite import connecting
from clr_search.index.catalog.sqlite.database import plain, plain_path
from clr_search.index.catalog.sqlite.schema import VERSION, foreign_parts
from clr_search.index.catalog.vectors import checksum_of, is_intact

ANEW = "Restore it from a backup, or delete the collection and build it anew."
"""The remedy in messages on a catalogue that cannot be repaired."""

_STRETCH = 256  # ids that are read at once, and one by one where one of them is damaged
_FURTHER = 100_000  # ids tried beyond the last readable one, where the last id is unknown

_SHA256 = re.compile(r"[0-9a-f]{64}")

_ITEM = "id, root_id, path, size, mtime_ns, sha256, width, height, label, added_at, embedding"
_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'items'"
_KEEP = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_INSERT = f"INSERT INTO items ({_ITEM}, checksum, revision) VALUES ({'?, ' * 12}?)"  # noqa: S608  # constants only


_OTHER_TYPES = """
SELECT 1 FROM items WHERE root_id NOT IN (SELECT id FROM roots) OR typeof(size) <> 'integer'
OR typeof(mtime_ns) <> 'integer' OR typeof(width) <> 'integer' OR typeof(height) <> 'integer'
OR typeof(sha256) <> 'text' OR typeof(added_at) <> 'text' OR typeof(revision) <> 'integer'
UNION ALL SELECT 1 FROM skipped WHERE typeof(size) <> 'integer' OR typeof(mtime_ns) <> 'integer'
OR typeof(reason) <> 'text' LIMIT 1
"""


_NONE = type(None)
_BESIDE: dict[str, tuple[Any, ...]] = {
    "dismissed": (str, str, str),
    "notes": (str, str),
    "exif": (int, (str, _NONE), (str, _NONE), (float, _NONE), (float, _NONE)),
    "columns": (int, str, str),
    "cells": (int, int, (int, float, str)),
}
"""Tables beside those of files, and the types of their values; older catalogues have none."""


class _Item(NamedTuple):
    """A row of ``items`` as it was read, whose values are not checked yet."""

    id: object
    root_id: object
    path: object
    size: object
    mtime_ns: object
    sha256: object
    width: object
    height: object
    label: object
    added_at: object
    embedding: object
    checksum: object  # None in catalogues of former releases

    def is_sound(self, dimension: int) -> bool:
        """Returns whether all values are plausible, and the embedding is intact."""
        numbers = (self.size, self.mtime_ns, self.width, self.height)
        return (
            _is_path(self.path)
            and (self.label is None or _is_name(self.label))
            and all(isinstance(number, int) for number in numbers)
            and isinstance(self.sha256, str)
            and _SHA256.fullmatch(self.sha256) is not None
            and isinstance(self.added_at, str)
            and is_intact(self.embedding, self.checksum, dimension)
        )

    def values(self) -> tuple[object, ...]:
        """Returns the values of a sound item, with a checksum where it had none."""
        assert isinstance(self.embedding, bytes), "sound items have one"
        return (*self[:-1], checksum_of(self.embedding))


def is_whole(file: OwnFile) -> bool:
    """Returns whether SQLite reads all of a file, and its values are of the types that we write.

    Embeddings are not looked at; `sync.mend` does that.
    """
    try:
        with _connected(file) as connection:
            report = connection.execute("PRAGMA integrity_check(1)").fetchall()
            return bool(report == [("ok",)]) and _has_our_types(connection)
    except sqlite3.DatabaseError:
        return False


def _has_our_types(connection: sqlite3.Connection) -> bool:
    """Returns whether roots, items and skipped files have the types that we write."""
    if connection.execute(_OTHER_TYPES).fetchone() is not None:
        return False
    paths = "SELECT path FROM items UNION ALL SELECT path FROM roots UNION ALL SELECT path "
    labels = "SELECT DISTINCT label FROM items WHERE label IS NOT NULL"
    return all(_is_path(path) for (path,) in connection.execute(paths + "FROM skipped")) and all(
        _is_name(label) for (label,) in connection.execute(labels)
    )


def _is_name(value: object) -> bool:
    """Returns whether a stored value can be read as a label."""
    try:
        return bool(isinstance(value, str | bytes) and plain(value) is not None)
    except sqlite3.DatabaseError:
        return False


def _is_path(value: object) -> bool:
    """Returns whether a stored value can be read as a path."""
    try:
        return isinstance(value, str | bytes) and bool(plain_path(value))
    except sqlite3.DatabaseError:
        return False


def is_foreign(file: OwnFile) -> bool:
    """Returns whether a file is empty, or of another program; False where it is damaged."""
    try:
        with _connected(file) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError:
        return False
    return not {"meta", "roots", "items"} <= tables


def schema_version(file: OwnFile) -> int | None:
    """Returns the schema version that a file states; None where that cannot be read."""
    with _connected(file) as connection:
        version = _first(connection, "PRAGMA user_version")
    return version if isinstance(version, int) else None


def item_count(file: OwnFile) -> int:
    """Returns the number of items in an intact catalogue."""
    with _connected(file) as connection:
        return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])


class Damaged:
    """A damaged catalogue that `opened` has opened for reading."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        columns = {row[1] for row in connection.execute("PRAGMA table_info(items)")}
        self._columns = f"{_ITEM}, {'checksum' if 'checksum' in columns else 'NULL'}"

    def encoder_sha256(self) -> object:
        """Returns the stored SHA-256 of its encoder, unchecked; None where it cannot be read."""
        return self._fact(facts.ENCODER_SHA256)

    def dimension(self) -> object:
        """Returns the stored length of its vectors, unchecked; None where it cannot be read."""
        return self._fact(facts.DIMENSION)

    def decoding(self) -> object:
        """Returns the stored version of decoding, unchecked; None where it cannot be read."""
        return self._fact(facts.DECODING)

    def goal(self) -> object:
        """Returns the stored goal of its search, unchecked; None where it cannot be read."""
        return self._fact(facts.GOAL)

    def bring_over(self, catalog: Catalog, dimension: int, revision: int) -> int | None:
        """Copies roots, items and skipped files, and the last revision, generation and id.

        Parameters
        ----------
        catalog : Catalog
            The new catalogue; the caller is inside `writing`.
        dimension : int
            D, the length of the encoder's embeddings.
        revision : int
            Revision of that transaction; it is raised above that of the damaged catalogue.

        Returns
        -------
        int or None
            Number of items that were lost; None where their former number cannot be read.
        """
        before = self._fact(facts.REVISION)
        if isinstance(before, int):  # readers rely on revisions that never fall
            revision = max(revision, before + 1)
            catalog.set_revision(revision)
        last = self._fact(facts.LAST_GENERATION)
        if isinstance(last, int):
            catalog.set_last_generation(last)
        home, selection = self._fact(facts.HOME), self._fact(facts.SELECTION)
        if _is_path(home):  # roots are found from where the collection was
            catalog.database.rows(_KEEP, facts.HOME, home)
        with suppress(ClrSearchError):
            catalog.set_selection(facts.selection_of(catalog.folder.path, selection))
        if self._fact(facts.LABELS_GIVEN) is not None:
            catalog.give_labels({})  # before there are items, which bring their labels along
        copied = self._copy_items(catalog, self._copy_roots(catalog), dimension, revision)
        for row in self._table("skipped"):
            if not (_is_path(row[0]) and [type(value) for value in row[1:]] == [int, int, str]):
                continue
            catalog.database.rows("INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?)", *row)
        self._copy_beside(catalog)
        self._continue_ids(catalog)
        total = self._first("SELECT count(*) FROM items INDEXED BY items_by_revision")
        return max(0, total - copied) if isinstance(total, int) else None

    def _copy_beside(self, catalog: Catalog) -> None:
        """Copies what is known of items beside their files, and what a person has said of them.

        Rows of items that are lost do no harm, as no id is used twice.
        """
        for table, types in _BESIDE.items():
            insert = f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(types))})"  # noqa: S608
            for row in self._table(table):
                if len(row) == len(types) and all(map(isinstance, row, types)):
                    catalog.database.rows(insert, *row)

    def _copy_roots(self, catalog: Catalog) -> set[object]:
        """Copies the roots that can be read, and returns their ids."""
        roots = {
            number: (path, given)
            for number, path, given in self._table("roots")
            if _is_path(path) and isinstance(given, int)
        }
        for number, (path, given) in roots.items():
            catalog.database.rows("INSERT INTO roots VALUES (?, ?, ?)", number, path, given)
        return set(roots)

    def _copy_items(
        self, catalog: Catalog, roots: set[object], dimension: int, revision: int
    ) -> int:
        """Copies the intact items of these roots, and returns their number."""
        seen: set[tuple[object, object]] = set()
        for item in self._items():
            path = (item.root_id, item.path)
            if item.root_id not in roots or path in seen or not item.is_sound(dimension):
                continue
            seen.add(path)
            catalog.database.rows(_INSERT, *item.values(), revision)
        return len(seen)

    def _continue_ids(self, catalog: Catalog) -> None:
        """Sets the next id after the last of the damaged catalogue, so that none is used twice."""
        last_ids = [
            self._first(_LAST_ID),
            self._first("SELECT max(id) FROM items INDEXED BY items_by_revision"),
            catalog.database.scalar("SELECT max(id) FROM items"),
        ]
        last = max((number for number in last_ids if isinstance(number, int)), default=0)
        catalog.database.rows("DELETE FROM sqlite_sequence WHERE name = 'items'")
        catalog.database.rows("INSERT INTO sqlite_sequence VALUES ('items', ?)", last)

    def _fact(self, key: str) -> object:
        """Returns a value of ``meta``; None where it cannot be read."""
        return self._first("SELECT value FROM meta WHERE key = ?", key)

    def _first(self, query: str, *values: object) -> object:
        """Returns the first column of the first row; None where it cannot be read."""
        return _first(self._connection, query, *values)

    def _table(self, name: str) -> Iterator[tuple[object, ...]]:
        """Yields the rows of a small table, up to the first that cannot be read."""
        try:
            yield from self._connection.execute(f"SELECT * FROM {name}")  # noqa: S608  # constants only
        except sqlite3.DatabaseError:
            return

    def _items(self) -> Iterator[_Item]:
        """Yields the items that can be read, in the order of their ids."""
        query = f"SELECT {self._columns} FROM items WHERE id > ? ORDER BY id LIMIT {_STRETCH}"  # noqa: S608
        last_id = self._first(_LAST_ID)
        last = 0
        while True:
            try:
                stretch = self._connection.execute(query, (last,)).fetchall()
                if not stretch:
                    return
                yield from map(_Item._make, stretch)
                last = stretch[-1][0]
            except sqlite3.DatabaseError:
                end = last + _STRETCH
                yield from self._one_by_one(last + 1, end)
                last = end
                if last > (last_id if isinstance(last_id, int) else _FURTHER):
                    return

    def _one_by_one(self, first: int, last: int) -> Iterator[_Item]:
        """Yields the items that can be read from the ids `first` to `last`."""
        query = f"SELECT {self._columns} FROM items WHERE id = ?"  # noqa: S608
        for number in range(first, last + 1):
            try:
                yield from map(_Item._make, self._connection.execute(query, (number,)))
            except sqlite3.DatabaseError:
                continue


@contextmanager
def opened(file: OwnFile) -> Iterator[Damaged]:
    """Opens a damaged catalogue for reading, and closes it at the end.

    Raises
    ------
    ClrSearchError
        If not even its tables can be listed.
    """
    try:
        with _connected(file) as connection:
            connection.execute(
                "SELECT * FROM sqlite_master"
            ).fetchall()  # where this fails, nothing can be read
            yield Damaged(connection)
    except sqlite3.DatabaseError as error:
        raise ClrSearchError(f"Nothing can be read of {file}: {error}.", ANEW) from error


def refuse_foreign_schema(file: OwnFile) -> None:
    """Refuses a file with triggers, views and the like before any of its tables is read.

    Raises
    ------
    UsageError
        If the file holds parts that clr-search has not made; a schema that cannot be read is left
        to the other functions.
    """
    try:
        with _connected(file) as connection:
            version = _first(connection, "PRAGMA user_version")
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError:
        return
    foreign = foreign_parts(rows, version if isinstance(version, int) else VERSION)
    if foreign:
        raise connecting.foreign_schema(file, foreign)


@contextmanager
def _connected(file: OwnFile) -> Iterator[sqlite3.Connection]:
    """Yields a connection to a file that only reads it, and closes it at the end."""
    before = connecting.require_ours(file)
    with closing(connecting.connect(file, connecting.READ)) as connection:
        with suppress(sqlite3.DatabaseError):  # of a file that no query can read either
            connecting.guard(connection)
        connecting.require_same(file, before)
        yield connection


def _first(connection: sqlite3.Connection, query: str, *values: object) -> object:
    """Returns the first column of the first row; None where it is missing or unreadable."""
    try:
        row = connection.execute(query, values).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else row[0]
