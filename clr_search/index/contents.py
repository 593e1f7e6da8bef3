"""The names of all that a collection holds; nothing else in it is read, changed or deleted."""

from __future__ import annotations

import re

from clr_search.files.own import OwnFolder, temporary_of
from clr_search.index import encoder_file
from clr_search.index.ann import generations
from clr_search.index.catalog.sqlite import connecting
from clr_search.index.catalog.sqlite.database import FILE_NAME

LOCK = "lock"
"""Name of the file that the one writer holds."""

REPAIRED, DAMAGED = "catalog.repaired.sqlite", "catalog.damaged.sqlite"
"""Names of a repaired catalogue until it is in use, and of the damaged one that is kept."""

_BESIDE = "|".join(connecting.BESIDE)
_CATALOGUES = "|".join(map(re.escape, (FILE_NAME, REPAIRED, rf"{DAMAGED}")))
_ENCODERS = "|".join(map(re.escape, (encoder_file.FILE_NAME, encoder_file.NEXT_NAME)))
_OURS = re.compile(rf"(?:{_CATALOGUES})(?:\.\d+)?(?:{_BESIDE})?|{_ENCODERS}|{LOCK}")
_UNFINISHED = temporary_of(_ENCODERS)


def require_ours(folder: OwnFolder) -> None:
    """Refuses a collection in which a link, pipe or anything else has the name of a file of ours.

    Every file is looked at again when it is opened. This comes first, so that a collection that is
    not as we make it is refused as a whole, whatever is to be done with it.

    Raises
    ------
    NotOursError
        Names what is no regular file, or no folder.
    """
    for name in folder.names():
        if _OURS.fullmatch(name):
            (folder / name).status()
    for name in folder.names(generations.FOLDER):
        if generations.OURS.fullmatch(name):
            (folder / f"{generations.FOLDER}/{name}").status()


def is_collection(folder: OwnFolder) -> bool:
    """Returns whether a folder holds a catalogue, or a repaired one that is not in use yet."""
    return any((folder / name).exists() for name in (FILE_NAME, REPAIRED))


def is_half_made(folder: OwnFolder) -> bool:
    """Returns whether a folder holds at most what a making that was cut short has left."""
    return all(
        name in (LOCK, encoder_file.FILE_NAME) or _UNFINISHED.fullmatch(name)
        for name in folder.names()
    )


def size(folder: OwnFolder) -> int:
    """Returns the bytes that the files of a collection take, without anything that is foreign."""
    names = [name for name in folder.names() if _OURS.fullmatch(name)]
    built = [name for name in folder.names(generations.FOLDER) if generations.OURS.fullmatch(name)]
    files = [folder / name for name in names + [f"{generations.FOLDER}/{name}" for name in built]]
    statuses = [file.status() for file in files]
    return sum(status.st_size for status in statuses if status is not None)
