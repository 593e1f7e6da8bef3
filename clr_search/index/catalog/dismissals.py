"""What a person has said to be no copies of each other, or to be kept all the same.

It is stored by content (SHA-256), so that it stays true when files move, and is void for a picture
that has changed. A content beside itself stands for: keep all files of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from clr_search.index.catalog.sqlite.database import Database

Pair = tuple[str, str]
"""Two SHA-256, the lesser first."""


def pair_of(one: str, other: str) -> Pair:
    """Returns two contents as they are stored.

    Examples
    --------
    >>> pair_of("b", "a")
    ('a', 'b')
    """
    return min(one, other), max(one, other)


def dismissed(database: Database) -> frozenset[Pair]:
    """Returns all pairs; a catalogue of an older version has none."""
    if not database.integer("SELECT count(*) FROM sqlite_master WHERE name = 'dismissed'"):
        return frozenset()
    return frozenset(
        (one, other) for one, other in database.rows("SELECT one, other FROM dismissed")
    )


def dismiss(database: Database, pairs: Iterable[Pair]) -> None:
    """Remembers pairs; the caller is inside `writing`."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    database.many(
        "INSERT OR IGNORE INTO dismissed VALUES (?, ?, ?)", ((*pair, now) for pair in pairs)
    )


def undo(database: Database, pairs: Iterable[Pair]) -> None:
    """Forgets pairs; the caller is inside `writing`."""
    database.many("DELETE FROM dismissed WHERE one = ? AND other = ?", pairs)
