"""Copies that could go, as a list or a script for other programs; nothing is deleted here.

Whatever is written is checked when it is written: each file exists and has the bytes that were
compared, and so has one of its group that is kept.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clr_search.analysis.copies import Group
from clr_search.analysis.living import LivingFile, is_as_indexed
from clr_search.index.catalog.records import Item

Form = Literal["text", "csv", "script"]
"""A path a line; a table; or a shell script that moves the files into a folder."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A group as it is marked.

    Attributes
    ----------
    keep, go : tuple of Item
        Its pictures that are kept, and those that could go.
    """

    keep: tuple[Item, ...]
    go: tuple[Item, ...]

    @classmethod
    def of(cls, group: Group, go: Iterable[int] | None = None) -> Marked:
        """Return a group marked as it is proposed, or as a person has marked it by ids."""
        could_go = {copy.item.id for copy in group.copies if not copy.keep}
        going = could_go if go is None else set(go)
        items = [copy.item for copy in group.copies]
        return cls(
            tuple(item for item in items if item.id not in going),
            tuple(item for item in items if item.id in going),
        )


@dataclass(frozen=True, slots=True)
class Going:
    """A file that could go.

    Attributes
    ----------
    item : Item
        Its item.
    kept : Item
        The picture of its group that is kept.
    frees : int
        Bytes that deleting it frees: 0 for a link, or another name of a file that is there again.
    """

    item: Item
    kept: Item
    frees: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that was marked, but is on no list, and why."""

    path: Path
    why: str


Checked = tuple[list[Going], list[LeftOut]]
"""What of a group could go now, and what is left out."""


def checked(group: Marked) -> Checked:
    """Return which files of a group could go now; all its files are read.

    A file is left out if it is gone or has changed, or is another name of a file that is kept: by
    way of links between folders, deleting it could delete both.

    Examples
    --------
    >>> checked(Marked((), ()))
    ([], [])
    """
    kept = [file for file in map(LivingFile.of, group.keep) if file and is_as_indexed(file.item)]
    if not kept:
        why = "what is kept of its group is gone, or has changed"
        return [], [LeftOut(item.path, why) for item in group.go]
    safe = {file.identity for file in kept}
    first = min(kept, key=lambda file: file.link).item  # a file rather than a link
    going: list[Going] = []
    left: list[LeftOut] = []
    for item in group.go:
        file = LivingFile.of(item)
        if file is None:
            left.append(LeftOut(item.path, "it is gone, or cannot be reached"))
        elif file.identity in safe:
            left.append(LeftOut(item.path, "it is another name of a file that is kept"))
        elif not is_as_indexed(item):
            left.append(LeftOut(item.path, "it has changed since it was indexed"))
        else:
            going.append(Going(item, first, 0 if file.link else item.size))
    return _counted_once(going), left


def _counted_once(going: Sequence[Going]) -> list[Going]:
    """Return the files, of which only one name of each frees its bytes."""
    seen: set[tuple[int, int]] = set()
    counted = []
    for one in going:
        file = LivingFile.of(one.item)
        identity = (0, 0) if file is None else file.identity
        frees = 0 if identity in seen else one.frees
        if frees:
            seen.add(identity)
        counted.append(Going(one.item, one.kept, frees))
    return counted


def checking(groups: Iterable[Marked]) -> Iterator[Checked]:
    """Yield what of each group could go now, in turn: reading the files of many takes minutes."""
    return map(checked, groups)


def written(form: Form, going: Sequence[Going], collection: str, day: str) -> bytes:
    """Return the list of the files that could go.

    Parameters
    ----------
    form : Form
        What is written. Paths of the text are ended by null characters, in place of line ends,
        where one of them has a line end in it; ``clr-search`` and ``xargs -0`` read both.
    going : sequence of Going
        The files.
    collection, day : str
        Name of the collection, and the date, for the head of the script.

    Returns
    -------
    bytes
        Paths have the bytes that they have on the disk.
    """
    if form == "csv":
        return _table(going)
    if form == "script":
        return _script(going, collection, day)
    names = [os.fsencode(one.item.path) for one in going]
    end = b"\0" if any(b"\n" in name or b"\r" in name for name in names) else b"\n"
    return b"".join(name + end for name in names)


def _table(going: Sequence[Going]) -> bytes:
    """Return a table: the file, the one that is kept, and what deleting it frees."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("path", "kept", "frees_bytes", "id", "kept_id"))
    for one in going:
        ids = (one.item.id, one.kept.id)
        writer.writerow((str(one.item.path), str(one.kept.path), one.frees, *ids))
    return os.fsencode(text.getvalue())


_HEAD = """#!/bin/sh
# Copies in {collection}, found by clr-search on {day}: {count}.
# It moves them into a folder that you name. Nothing is deleted: look through that
# folder, and delete it when you are sure.
#
#   sh copies.sh FOLDER

set -eu
to="${{1:?Name a folder to move the copies into: sh copies.sh FOLDER}}"
mkdir -p -- "$to"

go() {{  # what is kept, the copy, and its name in the folder
  if [ -f "$1" ] && [ -f "$2" ] && [ ! -e "$to/$3" ] && mv -- "$2" "$to/$3"; then
    return
  fi
  printf 'Left where it is: %s\\n' "$2" >&2
}}

"""


def _script(going: Sequence[Going], collection: str, day: str) -> bytes:
    """Return a shell script that moves the files into a folder, where none replaces another."""
    count = f"{len(going):,} file{'' if len(going) == 1 else 's'}"
    plain = "".join(sign if sign.isprintable() else "?" for sign in collection)
    lines = [
        f"go {shlex.quote(str(one.kept.path))} {shlex.quote(str(one.item.path))} "
        f"{shlex.quote(f'{one.item.id}-{one.item.path.name}')}\n"
        for one in going
    ]
    return os.fsencode(_HEAD.format(collection=plain, day=day, count=count) + "".join(lines))
