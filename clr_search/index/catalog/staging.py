"""Embeddings of a rebuild that is under way, beside those in use: the table ``staged``.

Every call belongs inside `Catalog.reading` or `Catalog.writing`. An item is staged once for each
file as it was: one that has changed since is staged again.
"""

from __future__ import annotations

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import Content

FileState = tuple[int, int]
"""Size in bytes and time in nanoseconds of a file as it was staged."""


def begin(catalog: Catalog, encoder_sha256: str) -> None:
    """Stage for this encoder from now on; what was staged for another one goes."""
    catalog.database.rows("DELETE FROM staged")
    catalog.set_rebuild(encoder_sha256)


def staged(catalog: Catalog) -> dict[int, FileState]:
    """The files that are staged, usable or not, by the ids of their items."""
    rows = catalog.database.rows("SELECT id, size, mtime_ns FROM staged")
    return {number: (size, mtime_ns) for number, size, mtime_ns in rows}


def keep(catalog: Catalog, number: int, content: Content) -> None:
    """Stage the new embedding of an item."""
    _put(
        catalog,
        number,
        (content.size, content.mtime_ns),
        (content.sha256, content.width, content.height, None, content.embedding),
    )


def keep_unusable(catalog: Catalog, number: int, state: FileState, reason: str) -> None:
    """Stage that the file of an item gives no embedding, and why."""
    _put(catalog, number, state, (None, None, None, reason, None))


def unusable(catalog: Catalog) -> list[tuple[int, FileState, str]]:
    """Items whose files gave no embedding: their ids, the files as they were, the reasons."""
    rows = catalog.database.rows(
        "SELECT id, size, mtime_ns, reason FROM staged WHERE embedding IS NULL "
        "AND id IN (SELECT id FROM items)"
    )
    return [(number, (size, mtime_ns), reason) for number, size, mtime_ns, reason in rows]


def take_over(catalog: Catalog, revision: int) -> None:
    """Move all that is staged over what is in use; the caller has removed unusable items."""
    catalog.database.rows(
        "UPDATE items SET revision = ?, (size, mtime_ns, sha256, width, height, embedding) "
        "= (SELECT size, mtime_ns, sha256, width, height, embedding FROM staged "
        "WHERE staged.id = items.id)",
        revision,
    )
    catalog.database.rows("DELETE FROM staged")
    catalog.set_rebuild(None)


def _put(
    catalog: Catalog, number: int, state: FileState, rest: tuple[str | int | bytes | None, ...]
) -> None:
    catalog.database.rows(
        "INSERT OR REPLACE INTO staged (id, size, mtime_ns, sha256, width, height, reason, "
        "embedding) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        number,
        *state,
        *rest,
    )
