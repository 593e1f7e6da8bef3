"""The tables of a collection, and the version of their layout."""

from __future__ import annotations

APPLICATION_ID = 0x434C5253  # "CLRS"
"""Number by which SQLite marks the file as a catalogue of clr-search."""

VERSION = 3
"""Version of `SCHEMA`, which is stored in the file as its ``user_version``."""

READABLE = 1
"""The oldest version that the queries of this release can read, even if more slowly."""

DISMISSED = """
CREATE TABLE dismissed (            -- contents that a person has said are no copies of each other
    one TEXT NOT NULL,              -- SHA-256, the lesser; twice the same: keep all files of it
    other TEXT NOT NULL,
    dismissed_at TEXT NOT NULL,
    PRIMARY KEY (one, other)
) WITHOUT ROWID
"""
"""The table of what is no copy, which version 3 added."""

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
SCHEMA += f"{DISMISSED.strip()};\n"
