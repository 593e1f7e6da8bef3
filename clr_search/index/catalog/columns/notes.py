"""The table ``notes``: how pictures were read, where that is not as usual.

A note is stored by the content of a file (SHA-256), so that it stays true where files move, is that
of every copy, and is void for a picture that has changed. A catalogue of an older release has no
such table. Every call belongs inside `Catalog.reading` or `Catalog.writing`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import get_args

from clr_search.errors import shortened
from clr_search.files.stores.address import located
from clr_search.images import Note
from clr_search.images.picture import NoteKind
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import absolute
from clr_search.index.catalog.records import NotedItem
from clr_search.index.catalog.sqlite.database import plain_path
from clr_search.index.catalog.sqlite.schema import WITH_NOTES


def keep(catalog: Catalog, read: Iterable[tuple[str, Sequence[Note]]]) -> None:
    """Stores the notes on contents that were just read; without any, what was noted is forgotten.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, which a writer has brought to the newest version.
    read : iterable of (str, sequence of Note)
        SHA-256 of files, with the notes on them.
    """
    told, plain = [], []
    for sha256, notes in read:
        if notes:
            told.append((sha256, json.dumps([[note.kind, note.what] for note in notes])))
        else:
            plain.append((sha256,))
    catalog.database.many("DELETE FROM notes WHERE sha256 = ?", plain)
    catalog.database.many("INSERT OR REPLACE INTO notes VALUES (?, ?)", told)


def noted(catalog: Catalog) -> list[NotedItem]:
    """Returns every item that was read with a note, in the order of their paths."""
    if catalog.database.schema_version() < WITH_NOTES:
        return []
    roots = {root.id: root.path for root in catalog.roots()}
    rows = catalog.database.rows(
        "SELECT items.root_id, items.path, notes.notes FROM notes JOIN items USING (sha256)"
    )
    found = [
        NotedItem(located(absolute(roots[root], plain_path(path))), _read(text))
        for root, path, text in rows
        if root in roots
    ]
    return sorted(found, key=lambda item: item.path)


def _read(text: object) -> tuple[Note, ...]:
    """Returns notes as `keep` has stored them; raises as `database.plain` for anything else."""
    try:
        notes = tuple(Note(kind, what) for kind, what in json.loads(str(text)))
    except (ValueError, TypeError):
        notes = ()
    if not notes or not all(
        note.kind in get_args(NoteKind) and isinstance(note.what, str) for note in notes
    ):
        raise sqlite3.DatabaseError(f"a note is {shortened(str(text))}")
    return notes
