"""The tables of a collection, their version, and the way from each older version to the next.

A new catalogue is made by `SCHEMA`, an older one becomes the same by `MIGRATIONS`. They run when a
writer opens it, each in one transaction together with its version number, so that a migration that
is killed leaves the version before or the one after. A reader changes nothing: it reads what is not
older than `READABLE` as it lies, also on a disk that it may not write to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clr_search.progress import Reporter

if TYPE_CHECKING:
    from clr_search.index.catalog.database import Database

APPLICATION_ID = 0x434C5253  # "CLRS"

VERSION = 2
"""Of `SCHEMA`; in the file as its ``user_version``."""

READABLE = 1
"""The oldest version that the queries of this release can read, even if more slowly."""

# Paths and labels have no declared type, hence no conversion: see `text`.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE roots (
    id INTEGER PRIMARY KEY,
    path NOT NULL UNIQUE,
    given INTEGER NOT NULL          -- 1: a folder that was given; 0: that of a file that was given
);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root_id INTEGER NOT NULL REFERENCES roots (id),
    path NOT NULL,                  -- relative to the root, with forward slashes
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    label,
    revision INTEGER NOT NULL,      -- of the collection when the embedding was written
    added_at TEXT NOT NULL,
    embedding BLOB NOT NULL,        -- D float16, little-endian
    UNIQUE (root_id, path)
);
CREATE INDEX items_by_sha256 ON items (sha256);
CREATE INDEX items_by_label ON items (label);
CREATE INDEX items_by_revision ON items (revision);
CREATE INDEX items_by_file ON items (mtime_ns, size, width, height);
CREATE TABLE skipped (
    path PRIMARY KEY,               -- absolute
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE staged (               -- a rebuild under way; `embedding` NULL: no usable picture
    id INTEGER PRIMARY KEY,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT,
    width INTEGER,
    height INTEGER,
    reason TEXT,
    embedding BLOB
);
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from the version before.

    Attributes
    ----------
    version : int
        What it leads to.
    statements : tuple of str
        SQL, run in one transaction.
    gain : str
        What it is for, to people.
    """

    version: int
    statements: tuple[str, ...]
    gain: str


MIGRATIONS = (
    Migration(
        2,
        # Filters by date, size of the file and sides scanned the table, embeddings and all.
        ("CREATE INDEX items_by_file ON items (mtime_ns, size, width, height)",),
        "filters by date and size are answered by an index",
    ),
)
"""One for each version from `READABLE` on, in order."""


def migrate(database: Database, reporter: Reporter) -> None:
    """Bring an older catalogue to `VERSION`.

    Parameters
    ----------
    database : Database
        Open for writing, by the holder of the writer's lock.
    reporter : Reporter
        Is told of each step.

    Raises
    ------
    ClrSearchError
        If the disk is full, or fails; then it is what it was before the step.
    """
    with database.reading():
        found = database.integer("PRAGMA user_version")
    for step in MIGRATIONS:
        if step.version <= found:
            continue
        with database.writing():
            for statement in step.statements:
                database.rows(statement)
            database.rows(f"PRAGMA user_version = {step.version:d}")
        reporter.message(
            f"Brought {database.folder} from schema version {step.version - 1} to {step.version}: "
            f"{step.gain}. Older releases of clr-search cannot open it any more."
        )
