"""Replaces a damaged catalogue by a new one with all items that can be read.

`catalog.salvage` copies the intact items; the next ``build-index`` embeds the lost ones again. This
module exchanges the catalogues in three steps, so that a repair can be killed at any instant:

1. the repaired catalogue is written whole as ``catalog.repaired.sqlite``;
2. the damaged one is renamed to ``catalog.damaged.sqlite``, with its WAL, and kept; those of
   earlier repairs are kept under numbers;
3. the repaired one is renamed to ``catalog.sqlite``.

If a repair was killed after step 1, the next one goes on with step 2.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.own import OwnFile, OwnFolder
from clr_search.images import DECODING
from clr_search.index import contents, encoder_file, maintenance
from clr_search.index.catalog import salvage
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.facts import MOST_VALUES, NO_ENCODER
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.salvage import Damaged
from clr_search.index.catalog.sqlite import connecting
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.schema import VERSION
from clr_search.index.contents import DAMAGED, REPAIRED

_PREFIX = ".repair."  # of the temporary folder in which the repaired catalogue is written
_TEMPORARY = re.compile(rf"{re.escape(_PREFIX)}[0-9a-z_]{{8}}")
_WRITTEN = re.compile(rf"{re.escape(FILE_NAME)}(?:{'|'.join(connecting.BESIDE)})?")


@dataclass(frozen=True, slots=True)
class Salvage:
    """The result of a repair.

    Attributes
    ----------
    kept : int
        Number of items in the collection now.
    lost : int or None
        Number of items that were lost; None where their former number is unknown.
    whole : bool
        Whether the catalogue was intact, so that nothing was changed.
    damaged : Path or None
        The damaged catalogue, which is kept; None where it was intact.
    """

    kept: int
    lost: int | None
    whole: bool
    damaged: Path | None


def repair(folder: OwnFolder | Path) -> Salvage:
    """Checks a catalogue, and where it is damaged replaces it by what can be read of it.

    Parameters
    ----------
    folder : OwnFolder or Path
        The collection; the caller has made sure that it is one.

    Raises
    ------
    UsageError
        If another process writes to it, a newer release has written it, or it is no catalogue.
    ClrSearchError
        If nothing can be read, or the encoder of the embeddings is missing.
    """
    folder = OwnFolder.at(folder)
    contents.require_ours(folder)
    lock = WriterLock(folder / contents.LOCK)
    try:
        for name in folder.names():
            if _TEMPORARY.fullmatch(name):  # a repair was killed in step 1
                folder.discard(name, _WRITTEN)
        if not (folder / REPAIRED).exists():
            source = folder / FILE_NAME
            _refuse_foreign(source)
            _refuse_newer(source)
            salvage.refuse_foreign_schema(source)
            if salvage.is_whole(source):
                return Salvage(salvage.item_count(source), 0, whole=True, damaged=None)
            lost = _write(folder, source)
        else:
            lost = None  # only the run that was cut short knew the number
        _exchange(folder)
        return Salvage(
            salvage.item_count(folder / FILE_NAME), lost, whole=False, damaged=folder.path / DAMAGED
        )
    finally:
        lock.release()


def refuse_unfinished(folder: OwnFolder) -> None:
    """Refuses a collection whose repair has to be finished first.

    Raises
    ------
    UsageError
        If a repair of the collection was cut short.

    Examples
    --------
    >>> refuse_unfinished(OwnFolder(Path()))  # without a repair nothing happens
    """
    if (folder / REPAIRED).exists():
        raise UsageError(
            f"A repair of {folder} was cut short.", f"Finish it with: clr-search repair {folder}"
        )


def _refuse_foreign(source: OwnFile) -> None:
    """Refuses an empty file and one of another program, in which there is nothing to repair."""
    if salvage.is_foreign(source):
        raise UsageError(
            f"{source} is no catalogue of a collection: it is empty, or another program's.",
            salvage.ANEW,
        )


def _refuse_newer(source: OwnFile) -> None:
    """Refuses a newer version, since the contents of tables unknown here would be lost."""
    version = salvage.schema_version(source)
    if version is not None and version > VERSION:
        raise UsageError(
            f"{source} has schema version {version}; this release knows {VERSION}.",
            "Repair it with a matching release of clr-search.",
        )


def _write(folder: OwnFolder, source: OwnFile) -> int | None:
    """Does step 1, and returns the number of lost items; None where it is unknown."""
    _keep_earlier(folder)
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    try:
        catalog = Catalog(folder.inside(name), writable=True)
        try:
            with salvage.opened(source) as damaged:
                lost = _copy(damaged, catalog, _bound_to(folder, damaged))
        finally:
            catalog.database.close()  # folds the WAL into the file, and syncs it
        (folder / f"{name}/{FILE_NAME}").rename(folder / REPAIRED)
    finally:
        folder.discard(name, _WRITTEN)
    folder.sync()
    return lost


def _copy(damaged: Damaged, catalog: Catalog, bound: tuple[str, str, int]) -> int | None:
    """Copies what can be read, and returns the number of lost items; None where unknown."""
    goal, dimension = damaged.goal(), bound[2]
    with catalog.writing() as revision:
        catalog.pin_encoder(*bound)
        if damaged.decoding() == DECODING:  # else embeddings of older releases are among them
            catalog.set_decoding(DECODING)
        if maintenance.is_goal(goal):
            catalog.set_goal(str(goal))
        return damaged.bring_over(catalog, dimension, revision)


def _bound_to(folder: OwnFolder, damaged: Damaged) -> tuple[str, str, int]:
    """Returns SHA-256 and name of the encoder of a catalogue, and the length of its vectors."""
    pinned, dimension = damaged.encoder_sha256(), damaged.dimension()
    if pinned == NO_ENCODER and isinstance(dimension, int) and 0 < dimension <= MOST_VALUES:
        return NO_ENCODER, NO_ENCODER, dimension
    model = _encoder(folder, pinned)
    return model.sha256, model.card.name, model.card.embedding_dim


def _encoder(folder: OwnFolder, pinned: object) -> ModelFile:
    """Returns the encoder with the SHA-256 `pinned`; the first one found where that is None."""
    for name in (encoder_file.FILE_NAME, encoder_file.NEXT_NAME):
        file = folder / name
        if file.exists() and pinned in (None, file.sha256()):
            return read_model(file)
    raise ClrSearchError(
        f"{folder / encoder_file.FILE_NAME} is missing, or not the encoder that the embeddings "
        "are of.",
        "Copy that encoder there first, or delete the collection and build it anew.",
    )


def _keep_earlier(folder: OwnFolder) -> None:
    """Renames the damaged catalogue of an earlier repair, if any, by adding a number."""
    if not (folder / DAMAGED).exists():
        return
    number = 1
    while (folder / f"{DAMAGED}.{number}").exists():
        number += 1
    (folder / DAMAGED).rename(folder / f"{DAMAGED}.{number}")


def _exchange(folder: OwnFolder) -> None:
    """Does steps 2 and 3: renames the damaged catalogue, and then the repaired one."""
    current = folder / FILE_NAME
    # The WAL is renamed first: SQLite would take it for that of the repaired catalogue.
    wal = folder / f"{FILE_NAME}-wal"
    if wal.exists():
        wal.rename(folder / f"{DAMAGED}-wal")
    (folder / f"{FILE_NAME}-shm").delete()
    if current.exists():
        current.rename(folder / DAMAGED)
    folder.sync()
    (folder / REPAIRED).rename(current)
    folder.sync()
