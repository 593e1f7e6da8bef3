"""The rows of a replica: read for the server, and written as they come from there.

Every call belongs inside a transaction of the database. A vector is not kept here once the server
has it: its place is empty, and its checksum stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from clr_search.index.catalog import facts
from clr_search.index.catalog.milvus.journal import FOLLOWS, ITEMS, Change
from clr_search.index.catalog.milvus.rows import EXIF, ITEM, TABLES, Cell, Table, packed, unpacked
from clr_search.index.catalog.sqlite.database import Database

_ITEM = ", ".join(ITEM)
_BY_NAME = {table.name: table for table in TABLES}


def revision(database: Database) -> int:
    """Returns the revision that the replica has reached; 0 before the first."""
    value = database.scalar("SELECT value FROM meta WHERE key = ?", facts.REVISION)
    return value if isinstance(value, int) else 0


def follows(database: Database) -> str:
    """Returns which making of the collection it follows; empty for none yet."""
    return str(database.scalar("SELECT value FROM meta WHERE key = ?", FOLLOWS) or "")


def reached(database: Database, making: str, number: int) -> None:
    """Stores that the replica follows a making of the collection, and has reached a revision."""
    sql = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
    database.many(sql, [(FOLLOWS, making), (facts.REVISION, number)])


def empty(database: Database) -> None:
    """Deletes all rows, as when the collection was made anew; what is true here only goes, too."""
    for table in (*_BY_NAME, "items", "exif", "cells", "staged"):
        database.rows(f"DELETE FROM {table}")  # noqa: S608  # a constant


# -- for the server


def facts_row(database: Database, change: Change) -> list[Any] | None:
    """Returns the values of a row beside the items, packed; None where it was deleted."""
    table = _BY_NAME[change.kind]
    row = database.rows(
        f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {_where(table)}",  # noqa: S608
        *_key(table, change),
    ).fetchone()
    return None if row is None else [packed(value) for value in row]


def item_rows(
    database: Database, numbers: Sequence[int]
) -> list[tuple[int, list[Cell], bytes, Any, dict[int, Cell]]]:
    """Returns id, columns of `ITEM`, embedding (empty: on the server), EXIF and cells of items."""
    listed = json.dumps(list(numbers))
    within = "IN (SELECT value FROM json_each(?))"
    exif = {
        item: rest
        for item, *rest in database.rows(
            f"SELECT item, {', '.join(EXIF)} FROM exif WHERE item {within}",  # noqa: S608
            listed,
        )
    }
    cells: dict[int, dict[int, Cell]] = {}
    for item, column, value in database.rows(
        f"SELECT item, column_id, value FROM cells WHERE item {within} "  # noqa: S608
        "AND column_id IN (SELECT id FROM columns)",
        listed,
    ):
        cells.setdefault(item, {})[column] = value
    rows = database.rows(
        f"SELECT id, embedding, {_ITEM} FROM items WHERE id {within} ORDER BY id",  # noqa: S608
        listed,
    )
    return [
        (number, columns, embedding, exif.get(number), cells.get(number, {}))
        for number, embedding, *columns in rows
    ]


def given_away(database: Database, numbers: Sequence[int]) -> None:
    """Empties the places of vectors that the server has now."""
    rows = ((number,) for number in numbers)
    database.many("UPDATE items SET embedding = x'' WHERE id = ?", rows)


def path_at(database: Database, number: int) -> tuple[int, Cell] | None:
    """Returns root and path of the item with an id; None where there is none."""
    row = database.rows("SELECT root_id, path FROM items WHERE id = ?", number).fetchone()
    return None if row is None else (row[0], row[1])


# -- from the server


def begin_taking(database: Database) -> None:
    """Begins to take rows from the server; the revisions of items are kept until `end_taking`."""
    database.rows(
        "CREATE TEMP TABLE IF NOT EXISTS taken (id INTEGER PRIMARY KEY, changed INTEGER NOT NULL)"
    )
    database.rows("DELETE FROM taken")


def take_items(database: Database, rows: Iterable[tuple[int, int, list[Any]]]) -> None:
    """Stores items as the server has them: id, revision of the last change, and the row."""
    listed = list(rows)
    database.many("INSERT OR REPLACE INTO taken VALUES (?, ?)", ((n, c) for n, c, _ in listed))
    ids = [(number,) for number, _, _ in listed]
    for table, key in (("items", "id"), ("exif", "item"), ("cells", "item")):
        database.many(f"DELETE FROM {table} WHERE {key} = ?", ids)  # noqa: S608
    size = len(ITEM)
    marks = ", ".join("?" * (size + 1))
    database.many(
        # An item that has moved may still have the old row of the one in whose place it came.
        f"INSERT OR REPLACE INTO items (id, {_ITEM}, embedding) VALUES ({marks}, x'')",  # noqa: S608
        ((number, *map(unpacked, row[:size])) for number, _, row in listed),
    )
    database.many(
        f"INSERT INTO exif (item, {', '.join(EXIF)}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
        ((number, *map(unpacked, row[size])) for number, _, row in listed if row[size] is not None),
    )
    database.many(
        "INSERT INTO cells (column_id, item, value) VALUES (?, ?, ?)",
        (
            (int(column), number, unpacked(value))
            for number, _, row in listed
            for column, value in row[size + 1].items()
        ),
    )


def take_facts(database: Database, rows: Iterable[tuple[str, int, list[Any]]]) -> None:
    """Stores or deletes rows beside the items: kind, revision, and the key with the row or None."""
    for kind, changed, (key, values) in rows:
        change = Change(kind, *(unpacked(part) for part in (*key, "")[:2]))
        if kind == ITEMS:
            _drop_item(database, change, changed)
            continue
        table = _BY_NAME.get(kind)
        if table is None:
            continue  # of a later release, which this one need not know
        if values is None:
            database.rows(f"DELETE FROM {kind} WHERE {_where(table)}", *_key(table, change))  # noqa: S608
            continue
        marks = ", ".join("?" * len(table.columns))
        database.rows(
            f"INSERT OR REPLACE INTO {kind} ({', '.join(table.columns)}) VALUES ({marks})",  # noqa: S608
            *map(unpacked, values),
        )


def _drop_item(database: Database, change: Change, changed: int) -> None:
    """Deletes an item that was removed, unless it came back since."""
    back = database.scalar("SELECT changed FROM taken WHERE id = ?", change.one)
    if isinstance(back, int) and back > changed:
        return
    for table, key in (("items", "id"), ("exif", "item"), ("cells", "item")):
        database.rows(f"DELETE FROM {table} WHERE {key} = ?", change.one)  # noqa: S608


def _where(table: Table) -> str:
    """Returns the condition on the key of a table."""
    return " AND ".join(f"{column} = ?" for column in table.key)


def _key(table: Table, change: Change) -> tuple[Cell, ...]:
    """Returns the values of the key of a change."""
    return (change.one, change.other)[: len(table.key)]
