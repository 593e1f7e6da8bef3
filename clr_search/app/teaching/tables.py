"""Labels from a table that a visitor brings, and a table of all labels."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clr_search.app.guard import MAX_LABELS_BYTES
from clr_search.app.teaching.teacher import class_name
from clr_search.errors import UsageError
from clr_search.files.tables.labels import LabelRow, table_of
from clr_search.files.tables.matching import match

if TYPE_CHECKING:
    from pathlib import Path

    from clr_search.app.teaching.teacher import Teacher
    from clr_search.index import Index

LISTED = 100
"""Largest number of rows without a picture that are told of."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What a table has changed.

    Attributes
    ----------
    undo : str
        The token that undoes it.
    pictures : int
        Number of pictures that it has given labels.
    missing : tuple of (LabelRow, str)
        Rows that found no picture, or several, and which of the two.
    guessed : bool
        Whether its encoding is a guess.
    """

    undo: str
    pictures: int
    missing: tuple[tuple[LabelRow, str], ...]
    guessed: bool


def import_labels(teacher: Teacher, data: bytes, name: str) -> Imported:
    """Give pictures the labels of a table, found as ``--labels`` finds them; others keep theirs.

    Raises
    ------
    UsageError
        If it is no table of labels, or none of its pictures is in the collection.
    """
    if len(data) > MAX_LABELS_BYTES:
        raise UsageError(
            f"{name} has more than {MAX_LABELS_BYTES / 2**20:g} MiB.", "Bring it in parts."
        )
    with teacher.library.aside() as aside:
        path = _home(aside) / "labels.csv"
        try:
            return _imported(teacher, aside, data, path, name)
        except UsageError as error:
            said = [text.replace(str(path), name) for text in (error.what, error.remedy)]
            raise UsageError(*said) from error


def _imported(teacher: Teacher, index: Index, data: bytes, path: Path, name: str) -> Imported:
    """Read a table as if it lay at `path`, and give its labels."""
    table = table_of(data, path)
    if not table.rows:
        raise UsageError(f"No row of {name} has a label.", "Fill the column of labels.")
    items = index.items(index.ids()) if len(index) else []
    found = match(table, [item.path for item in items])
    labels = {
        item.id: (class_name(label), item.label)
        for item, label in zip(items, found.labels, strict=True)
        if label
    }
    if not labels:
        raise UsageError(
            f"None of the {len(table.rows):,} pictures in {name} is in the collection: "
            f"line {table.rows[0].line} names {table.rows[0].name}.",
            "Its column of pictures must have their paths, or their names.",
        )
    changed = {number: new for number, (new, old) in labels.items() if new != old}
    missing = [(row, "not in the collection") for row in found.unmatched]
    missing += [(row, "the name of several pictures") for row in found.ambiguous]
    undo = teacher.change(dict(changed)) if changed else ""
    return Imported(undo, len(labels), tuple(missing), table.is_guessed)


def _home(index: Index) -> Path:
    """Return the folder that relative paths of a table begin at: the first of the pictures."""
    sources = index.sources()
    return sources[0] if sources else index.path


def exported(teacher: Teacher) -> bytes:
    """Return a table of all pictures with a label, as `import_labels` and ``--labels`` read it.

    Names of files that are no valid text are written byte by byte, as they are.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("path", "label"))
    with teacher.library.aside() as aside, aside.snapshot():
        for item in aside.items(aside.ids()) if len(aside) else []:
            if item.label:
                writer.writerow((str(item.path), item.label))
    return text.getvalue().encode("utf-8", "surrogateescape")
