"""The table ``staged``: embeddings of a rebuild that is under way, beside those in use.

Every call belongs inside `Catalog.reading` or `Catalog.writing`. An item is staged once for each
state of its file: a file that has changed since is staged again.
"""

from __future__ import annotations

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import Content
from clr_search.index.catalog.vectors import checksum_of

FileState = tuple[int, int]
"""Size in bytes and time in nanoseconds of a file when it was staged."""


def begin(catalog: Catalog, encoder_sha256: str) -> None:
    """Begins a rebuild with this encoder; what was staged before is deleted."""
    catalog.database.rows("DELETE FROM staged")
    catalog.set_rebuild(encoder_sha256)


def staged(catalog: Catalog) -> dict[int, FileState]:
    """Returns the state of each staged file, usable or not, by the id of its item.

    A file whose new embedding has changed on disk since is left out, so that it is staged again.
    """
    rows = catalog.database.rows("SELECT id, size, mtime_ns, embedding, checksum FROM staged")
    return {
        number: (size, mtime_ns)
        for number, size, mtime_ns, embedding, checksum in rows
        if embedding is None or _is_as_written(embedding, checksum)
    }


def keep(catalog: Catalog, number: int, content: Content) -> None:
    """Stages the new embedding of an item."""
    _put(
        catalog,
        number,
        (content.size, content.mtime_ns),
        (content.sha256, content.width, content.height, None, *content.values()[-2:]),
    )


def keep_unusable(catalog: Catalog, number: int, state: FileState, reason: str) -> None:
    """Stages an item whose file gives no embedding, with the reason."""
    _put(catalog, number, state, (None, None, None, reason, None, -1))


def unusable(catalog: Catalog) -> list[tuple[int, FileState, str]]:
    """Returns id, file state and reason of each item whose file gave no embedding."""
    rows = catalog.database.rows(
        "SELECT id, size, mtime_ns, reason FROM staged WHERE embedding IS NULL "
        "AND id IN (SELECT id FROM items)"
    )
    return [(number, (size, mtime_ns), reason) for number, size, mtime_ns, reason in rows]


def take_over(catalog: Catalog, revision: int) -> None:
    """Replaces the embeddings in use by the staged ones, and ends the rebuild.

    The caller has removed the items that are `unusable`, so that every item is staged.
    """
    catalog.database.rows(
        "UPDATE items SET revision = ?, "
        "(size, mtime_ns, sha256, width, height, embedding, checksum) "
        "= (SELECT size, mtime_ns, sha256, width, height, embedding, checksum FROM staged "
        "WHERE staged.id = items.id)",
        revision,
    )
    catalog.database.rows("DELETE FROM staged")
    catalog.set_rebuild(None)


def _put(
    catalog: Catalog, number: int, state: FileState, rest: tuple[str | int | bytes | None, ...]
) -> None:
    """Writes one row of ``staged``."""
    catalog.database.rows(
        "INSERT OR REPLACE INTO staged (id, size, mtime_ns, sha256, width, height, reason, "
        "embedding, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number,
        *state,
        *rest,
    )


def _is_as_written(embedding: object, checksum: object) -> bool:
    """Returns whether a staged embedding has its checksum."""
    return isinstance(embedding, bytes) and checksum_of(embedding) == checksum
