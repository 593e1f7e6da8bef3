"""The way from each older version of a catalogue to the next.

`schema.SCHEMA` makes a new catalogue; `MIGRATIONS` make an older one the same. They run when a
writer opens it, each in one transaction together with its version number, so that a migration that
is killed leaves the version before or the one after. A reader changes nothing: it reads what is not
older than `schema.READABLE` as it lies, also on a disk that it may not write to.
"""

from __future__ import annotations

from dataclasses import dataclass

from clr_search.index.catalog.sqlite.database import Database
from clr_search.progress import Reporter


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from the version before.

    Attributes
    ----------
    version : int
        Version of the schema after the step.
    statements : tuple of str
        SQL, run in one transaction.
    gain : str
        What the step brings, in words for people.
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
