"""Migrations, each of which brings an older catalogue to the next version.

`schema.SCHEMA` makes a new catalogue; `MIGRATIONS` make an older one the same. They run when a
writer opens it, each in one transaction together with its version number, so that a migration that
is killed leaves the version before or the one after. A reader changes nothing: it reads any version
from `schema.READABLE` on as it is, also on a disk that it may not write to.
"""

from __future__ import annotations

from dataclasses import dataclass

from clr_search.index.catalog.sqlite.database import Database
from clr_search.index.catalog.sqlite.schema import (
    COLUMN_TABLES,
    DISMISSED,
    NOTES,
    WITH_COLUMNS,
    WITH_DISMISSALS,
    WITH_NOTES,
)
from clr_search.progress import Reporter


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from one version of the schema to the next.

    Attributes
    ----------
    version : int
        Version of the schema after the step.
    statements : tuple of str
        SQL, run in one transaction.
    gain : str
        What the step brings, as the end of a message.
    """

    version: int
    statements: tuple[str, ...]
    gain: str


MIGRATIONS = (
    Migration(
        2,
        # Without it, filters by date, file size and sides read the whole table with embeddings.
        ("CREATE INDEX items_by_file ON items (mtime_ns, size, width, height)",),
        "filters by date and size are answered by an index",
    ),
    Migration(
        3,
        # In one transaction, so that an item of version 3 without a checksum can only be damaged.
        (
            "ALTER TABLE items ADD COLUMN checksum INTEGER NOT NULL DEFAULT -1",
            "ALTER TABLE staged ADD COLUMN checksum INTEGER NOT NULL DEFAULT -1",
            "UPDATE items SET checksum = crc32(embedding)",
            "UPDATE staged SET checksum = crc32(embedding) WHERE embedding IS NOT NULL",
        ),
        "each stored vector has a checksum, so that a damaged one is noticed",
    ),
    Migration(
        WITH_COLUMNS,
        COLUMN_TABLES,
        "dates, cameras and places are kept, which the next update reads from the files",
    ),
    Migration(
        WITH_DISMISSALS,
        (DISMISSED.strip(),),
        "what was said to be no copy is remembered",
    ),
    Migration(
        WITH_NOTES,
        (NOTES.strip(),),
        "what is read with a loss from now on is kept, and named by info -v",
    ),
)
"""One migration for each version after `READABLE`, in order."""


def migrate(database: Database, reporter: Reporter) -> None:
    """Brings an older catalogue to `VERSION`, one step after the other.

    Parameters
    ----------
    database : Database
        The catalogue, open for writing; the caller holds the writer's lock.
    reporter : Reporter
        Gets a message for each step.

    Raises
    ------
    ClrSearchError
        If the disk is full, or fails; then the catalogue is as it was before the step.
    """
    with database.reading():
        current = database.integer("PRAGMA user_version")
    for step in MIGRATIONS:
        if step.version <= current:
            continue
        with database.writing():
            for statement in step.statements:
                database.rows(statement)
            database.rows(f"PRAGMA user_version = {step.version:d}")
        reporter.message(
            f"Brought {database.folder} from schema version {step.version - 1} to {step.version}: "
            f"{step.gain}. Older releases of clr-search cannot open it any more."
        )
