"""What a transaction has changed of a replica, noted by triggers of its connection alone.

The triggers are temporary: they belong to the connection, and nothing of them is in the file. So
whatever changes the catalogue, by whichever statement, is noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clr_search.index.catalog import facts
from clr_search.index.catalog.milvus.rows import ITEM, TABLES, Cell
from clr_search.index.catalog.sqlite.database import Database

ITEMS = "items"
"""The kind of a change of an item, of its EXIF or of its cells."""

FOLLOWS = "follows"
"""Key of the fact which making of the collection a replica follows."""

HERE_ONLY = (
    facts.REVISION,  # has a row of its own, which is written last
    facts.LOOKED_AT,
    facts.HOME,
    facts.GENERATION,
    facts.LAST_GENERATION,
    facts.REBUILD_SHA256,
    FOLLOWS,
)
"""Keys of facts that are true on this machine only, and never leave it."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row that was written or deleted: the kind (a table), and its key of one or two values."""

    kind: str
    one: Cell
    other: Cell


def watch(database: Database) -> None:
    """Lets the connection note changes from now on; no transaction is open."""
    # A replica gets its rows in whatever order they come; the server has no foreign keys.
    database.rows("PRAGMA foreign_keys = OFF")
    database.rows(
        "CREATE TEMP TABLE noted_changes (kind TEXT NOT NULL, one NOT NULL, other NOT NULL, "
        "PRIMARY KEY (kind, one, other)) WITHOUT ROWID"
    )
    for name, event, table, row, when, key in _triggers():
        database.rows(
            f"CREATE TEMP TRIGGER {name} AFTER {event} ON main.{table} {when} BEGIN "  # noqa: S608
            f"INSERT OR IGNORE INTO noted_changes VALUES ({_keyed(row, key)}); END"
        )


def _triggers() -> Iterable[tuple[str, str, str, str, str, tuple[str, ...]]]:
    """Yields name, event, table, NEW or OLD, condition, and kind with key of each trigger."""
    for table in TABLES:
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            kept = ", ".join(f"'{key}'" for key in HERE_ONLY)
            when = f"WHEN {row}.key NOT IN ({kept})" if table.name == "meta" else ""
            yield f"of_{table.name}_{event}", event, table.name, row, when, (table.name, *table.key)
    changed = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in ITEM)
    embedded = f"WHEN {changed} OR length(NEW.embedding) > 0"
    for table_name, key in (("items", "id"), ("exif", "item"), ("cells", "item")):
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            when = embedded if (table_name, event) == ("items", "UPDATE") else ""
            yield f"of_{table_name}_{event}", event, table_name, row, when, (ITEMS, key)


def _keyed(row: str, key: tuple[str, ...]) -> str:
    """Returns the values that a trigger notes: kind, one and other."""
    kind, *columns = key
    values = [f"{row}.{column}" for column in columns]
    return ", ".join([f"'{kind}'", *values, *["''"] * (2 - len(values))])


def noted(database: Database) -> list[Change]:
    """Returns what the open transaction has changed so far."""
    rows = database.rows("SELECT kind, one, other FROM noted_changes")
    return [Change(kind, one, other) for kind, one, other in rows]


def forget(database: Database) -> None:
    """Forgets what was noted, as when it has been published, or came from the server."""
    database.rows("DELETE FROM noted_changes")
