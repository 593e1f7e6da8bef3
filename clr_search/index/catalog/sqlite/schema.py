"""The tables of a collection, and the version of their layout."""

from __future__ import annotations

import re
from collections.abc import Iterable

APPLICATION_ID = 0x434C5253  # "CLRS"
"""Number by which SQLite marks the file as a catalogue of clr-search."""

VERSION = 6
"""Version of `SCHEMA`, which is stored in the file as its ``user_version``."""

READABLE = 1
"""The oldest version that the queries of this release can read, even if more slowly."""

CHECKED = 3
"""The first version whose stored embeddings have a checksum."""

WITH_COLUMNS = 4
"""The first version with `COLUMN_TABLES`."""

COLUMN_TABLES = (
    "CREATE TABLE exif (item INTEGER PRIMARY KEY, taken TEXT, camera TEXT, latitude REAL, "
    "longitude REAL)",  # a row for each item whose file was read for it
    "CREATE TABLE columns (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL)",
    "CREATE TABLE cells (column_id INTEGER NOT NULL, item INTEGER NOT NULL, value NOT NULL, "
    "PRIMARY KEY (column_id, item)) WITHOUT ROWID",
)
"""What is known of items beside their files: by EXIF, and in columns of one's own.

They refer to items by their ids, without a constraint: the ids of removed items are never used
again, and so their rows are of no item.
"""

WITH_DISMISSALS = 5
"""The first version with `DISMISSED`."""

DISMISSED = """
CREATE TABLE dismissed (            -- contents that a person has said are no copies of each other
    one TEXT NOT NULL,              -- SHA-256, the lesser; twice the same: keep all files of it
    other TEXT NOT NULL,
    dismissed_at TEXT NOT NULL,
    PRIMARY KEY (one, other)
) WITHOUT ROWID
"""
"""The table of what a person has said to be no copy."""

WITH_NOTES = 6
"""The first version with `NOTES`."""

NOTES = """
CREATE TABLE notes (                -- contents that were read with a loss, or not shown in full
    sha256 TEXT PRIMARY KEY,
    notes TEXT NOT NULL             -- JSON: a list of kind and text
) WITHOUT ROWID
"""
"""The table of how pictures were read, where that is not as usual."""

# Paths and labels have no declared type, so that SQLite converts none: see `database.text`.
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
    checksum INTEGER NOT NULL DEFAULT -1,  -- CRC-32 of the embedding; -1 is that of none
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
    embedding BLOB,
    checksum INTEGER NOT NULL DEFAULT -1
);
""" + ";\n".join((*COLUMN_TABLES, DISMISSED.strip(), NOTES.strip()))


def plain_sql(statement: str) -> str:
    r"""Returns a statement without comments, and with single spaces, so that it can be compared.

    Examples
    --------
    >>> plain_sql("CREATE TABLE t (\n    a INTEGER,  -- a number\n    b\n)")
    'CREATE TABLE t(a INTEGER,b)'
    """
    without = re.sub(r"--[^\n]*", " ", statement)
    spaced = re.sub(r"\s+", " ", without).strip()
    return re.sub(r" ?([(),]) ?", r"\1", spaced)


_CHECKSUM = ",checksum INTEGER NOT NULL DEFAULT -1"  # what version 3 has added to two tables

_OF_SQLITE = {
    "CREATE TABLE sqlite_sequence(name,seq)",
    "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
    "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
}
"""Tables that SQLite makes by itself, or by ANALYZE."""


def foreign_parts(rows: Iterable[tuple[object, object, object]], version: int) -> list[str]:
    """Returns what a catalogue holds beside our tables and indexes, such as ``"trigger t"``.

    A trigger, a view, a virtual table or a table with computed columns runs SQL of whoever made
    the file as soon as it is used, so a catalogue with any is not used at all.

    Parameters
    ----------
    rows : iterable of (type, name, sql)
        The rows of ``sqlite_master``.
    version : int
        The version that the file states.

    Examples
    --------
    >>> foreign_parts([("view", "items", "CREATE VIEW items AS SELECT 1")], VERSION)
    ['view items']
    """
    ours = {plain_sql(statement) for statement in SCHEMA.split(";\n") if statement.strip()}
    if version < CHECKED:
        ours = {statement.replace(_CHECKSUM, "") for statement in ours}
    return [
        f"{kind} {name}"
        for kind, name, sql in rows
        if not (sql is None and kind == "index" and str(name).startswith("sqlite_autoindex_"))
        and not (isinstance(sql, str) and plain_sql(sql) in ours | _OF_SQLITE)
    ]
