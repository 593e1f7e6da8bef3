"""Reading a catalogue that is damaged, and bringing over what is whole.

SQLite notices a damaged page when it reads it, and reads all the others. So items are read one
stretch of ids after another, and where that fails one by one; each is believed only if it is whole:
an embedding of the right length with finite values, a SHA-256, a place of its own. Nothing here
goes through `Database`, which refuses what is damaged.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from clr_search.errors import ClrSearchError
from clr_search.index.catalog import facts
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.sqlite.database import plain, uri_of

ANEW = "Restore it from a backup, or delete the collection and build it anew."

_STRETCH = 256
_FURTHER = 100_000  # ids tried beyond the last readable one, where nothing tells how many there are

_SHA256 = re.compile(r"[0-9a-f]{64}")

_ITEM = "id, root_id, path, size, mtime_ns, sha256, width, height, label, added_at, embedding"
_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'items'"
_INSERT = f"INSERT INTO items ({_ITEM}, revision) VALUES ({'?, ' * 11}?)"  # noqa: S608  # names of ours


class _Item(NamedTuple):
    """A row of ``items`` as it is read, of which nothing is believed yet."""

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

    def is_sound(self, dimension: int) -> bool:
        """Whether it is whole, with an embedding of this length."""
        if not isinstance(self.embedding, bytes) or len(self.embedding) != 2 * dimension:
            return False
        numbers = (self.size, self.mtime_ns, self.width, self.height)
        return (
            isinstance(self.path, str | bytes)
            and "\0" not in plain(self.path)
            and all(isinstance(number, int) for number in numbers)
            and isinstance(self.sha256, str)
            and _SHA256.fullmatch(self.sha256) is not None
            and isinstance(self.added_at, str)
            and bool(np.isfinite(np.frombuffer(self.embedding, "<f2")).all())
        )


def is_whole(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file, on reading all of it."""
    try:
        with _connected(path) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchall()
            return bool(found == [("ok",)])
    except sqlite3.DatabaseError:
        return False


def is_foreign(path: Path) -> bool:
    """Whether a file is an empty one, or one of another program; False where it is damaged."""
    try:
        with _connected(path) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError:
        return False
    return not {"meta", "roots", "items"} <= tables


def schema_version(path: Path) -> int | None:
    """The version that a file says it has; None where that cannot be read."""
    with _connected(path) as connection:
        version = _first(connection, "PRAGMA user_version")
    return version if isinstance(version, int) else None


def item_count(path: Path) -> int:
    """Number of items in a catalogue that is whole."""
    with _connected(path) as connection:
        return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])


class Damaged:
    """A damaged catalogue, open for reading; made by `opened`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def encoder_sha256(self) -> object:
        """The encoder that it is pinned to, as it stands there; None where it cannot be read."""
        return self._fact(facts.ENCODER_SHA256)

    def goal(self) -> object:
        """What the search structure has to reach, as it stands there; None where it cannot."""
        return self._fact(facts.GOAL)

    def bring_over(self, catalog: Catalog, dimension: int, revision: int) -> int | None:
        """Copy roots, items, skipped files, and where the counting of each has come to.

        Parameters
        ----------
        catalog : Catalog
            A new one; inside `writing`.
        dimension : int
            D of the encoder.
        revision : int
            Of that transaction; a later one is taken where the damaged catalogue had one.

        Returns
        -------
        int or None
            How many items were lost; None where nothing tells how many there were.
        """
        before = self._fact(facts.REVISION)
        if isinstance(before, int):  # so that it never goes back
            revision = max(revision, before + 1)
            catalog.set_revision(revision)
        last = self._fact(facts.LAST_GENERATION)
        if isinstance(last, int):
            catalog.set_last_generation(last)
        kept = self._copy_items(catalog, self._copy_roots(catalog), dimension, revision)
        for row in self._table("skipped"):
            catalog.database.rows("INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?)", *row)
        self._continue_ids(catalog)
        there = self._first("SELECT count(*) FROM items INDEXED BY items_by_revision")
        return max(0, there - kept) if isinstance(there, int) else None

    def _copy_roots(self, catalog: Catalog) -> set[object]:
        """Ids of the roots that were read."""
        roots = {number: (path, given) for number, path, given in self._table("roots")}
        for number, (path, given) in roots.items():
            catalog.database.rows("INSERT INTO roots VALUES (?, ?, ?)", number, path, given)
        return set(roots)

    def _copy_items(
        self, catalog: Catalog, roots: set[object], dimension: int, revision: int
    ) -> int:
        """How many items were whole."""
        seen: set[tuple[object, object]] = set()
        for item in self._items():
            place = (item.root_id, item.path)
            if item.root_id not in roots or place in seen or not item.is_sound(dimension):
                continue
            seen.add(place)
            catalog.database.rows(_INSERT, *item, revision)
        return len(seen)

    def _continue_ids(self, catalog: Catalog) -> None:
        """Go on counting ids where the damaged catalogue stood: none is used twice."""
        found = [
            self._first(_LAST_ID),
            self._first("SELECT max(id) FROM items INDEXED BY items_by_revision"),
            catalog.database.scalar("SELECT max(id) FROM items"),
        ]
        last = max((number for number in found if isinstance(number, int)), default=0)
        catalog.database.rows("DELETE FROM sqlite_sequence WHERE name = 'items'")
        catalog.database.rows("INSERT INTO sqlite_sequence VALUES ('items', ?)", last)

    def _fact(self, key: str) -> object:
        return self._first("SELECT value FROM meta WHERE key = ?", key)

    def _first(self, query: str, *values: object) -> object:
        return _first(self._connection, query, *values)

    def _table(self, name: str) -> Iterator[tuple[object, ...]]:
        """Rows of a small table, as far as they can be read."""
        try:
            yield from self._connection.execute(f"SELECT * FROM {name}")  # noqa: S608  # ours
        except sqlite3.DatabaseError:
            return

    def _items(self) -> Iterator[_Item]:
        """Items that can be read, by id."""
        query = f"SELECT {_ITEM} FROM items WHERE id > ? ORDER BY id LIMIT {_STRETCH}"  # noqa: S608
        most = self._first(_LAST_ID)
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
                if last > (most if isinstance(most, int) else _FURTHER):
                    return

    def _one_by_one(self, first: int, last: int) -> Iterator[_Item]:
        query = f"SELECT {_ITEM} FROM items WHERE id = ?"  # noqa: S608
        for number in range(first, last + 1):
            try:
                yield from map(_Item._make, self._connection.execute(query, (number,)))
            except sqlite3.DatabaseError:
                continue


@contextmanager
def opened(path: Path) -> Iterator[Damaged]:
    """A damaged catalogue, for reading what can be read.

    Raises
    ------
    ClrSearchError
        If not even its tables can be listed.
    """
    try:
        with _connected(path) as connection:
            connection.execute("SELECT * FROM sqlite_master").fetchall()  # or nothing else is
            yield Damaged(connection)
    except sqlite3.DatabaseError as error:
        raise ClrSearchError(f"Nothing can be read of {path}: {error}.", ANEW) from error


def _connected(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{uri_of(path.absolute())}?mode=ro", uri=True))


def _first(connection: sqlite3.Connection, query: str, *values: object) -> object:
    """First column of the first row; None where there is none, or it cannot be read."""
    try:
        row = connection.execute(query, values).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else row[0]
