"""Saving what can be read of a damaged catalogue.

`catalog.salvage` reads it, and believes only what is whole; what is lost, the next ``build-index``
embeds again. Here are the steps in which the repaired catalogue takes the place of the damaged one.

A repair can be killed at any instant:

1. it is written whole as ``catalog.repaired.sqlite``;
2. the damaged one is renamed to ``catalog.damaged.sqlite``, with its WAL, and kept, as are those
   of earlier repairs, under numbers;
3. the repaired one is renamed to ``catalog.sqlite``.

Run again, a repair that was cut short after step 1 goes on with step 2.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.write import sha256_file, sync_folder
from clr_search.index import encoder_file, maintenance
from clr_search.index.catalog import salvage
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.salvage import Damaged
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.schema import VERSION

REPAIRED, DAMAGED = "catalog.repaired.sqlite", "catalog.damaged.sqlite"

_PLACE = ".repair."  # and letters drawn at random: the folder in which a catalogue is written


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a repair came to.

    Attributes
    ----------
    kept : int
        Items of the collection now.
    lost : int or None
        Items that could not be read; None where nothing tells how many there were.
    whole : bool
        Whether there was nothing to repair.
    damaged : Path or None
        The damaged catalogue, which is kept.
    """

    kept: int
    lost: int | None
    whole: bool
    damaged: Path | None


def repair(folder: Path) -> Salvage:
    """Check a catalogue, and replace it by what can be read of it where it is damaged.

    Parameters
    ----------
    folder : Path
        The collection; the caller has made sure that it is one.

    Raises
    ------
    UsageError
        If somebody else writes to it, a newer release has written it, or it is no catalogue.
    ClrSearchError
        If nothing can be read, or the encoder inside is not there.
    """
    lock = WriterLock(folder / "lock")
    try:
        for left in folder.glob(f"{_PLACE}*"):  # of a repair that was killed in step 1
            shutil.rmtree(left, ignore_errors=True)
        if not (folder / REPAIRED).exists():
            source = folder / FILE_NAME
            _refuse_foreign(source)
            if salvage.is_whole(source):
                return Salvage(salvage.item_count(source), 0, whole=True, damaged=None)
            _refuse_newer(source)
            lost = _write(folder, source)
        else:
            lost = None  # it was told by the run that was cut short
        _exchange(folder)
        return Salvage(
            salvage.item_count(folder / FILE_NAME), lost, whole=False, damaged=folder / DAMAGED
        )
    finally:
        lock.release()


def refuse_unfinished(folder: Path) -> None:
    """Refuse a collection whose repair has to be finished first.

    Raises
    ------
    UsageError
        If there is one that was cut short.
    """
    if (folder / REPAIRED).is_file():
        raise UsageError(
            f"A repair of {folder} was cut short.", f"Finish it with: clr-search repair {folder}"
        )


def _refuse_foreign(source: Path) -> None:
    """There is nothing to repair in an empty file, or one of another program."""
    if salvage.is_foreign(source):
        raise UsageError(
            f"{source} is no catalogue of a collection: it is empty, or another program's.",
            salvage.ANEW,
        )


def _refuse_newer(source: Path) -> None:
    """What a newer release keeps in other tables would be lost, and nobody told."""
    version = salvage.schema_version(source)
    if version is not None and version > VERSION:
        raise UsageError(
            f"{source} is damaged, and has schema version {version}; this release knows {VERSION}.",
            "Repair it with a matching release of clr-search.",
        )


def _write(folder: Path, source: Path) -> int | None:
    """Step 1; how many items were lost."""
    _keep_earlier(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PLACE) as name:
        place = Path(name)
        catalog = Catalog(place, writable=True)
        try:
            with salvage.opened(source) as damaged:
                lost = _copy(damaged, catalog, _encoder(folder, damaged.encoder_sha256()))
        finally:
            catalog.database.close()  # folds the WAL into the file, which is synced then
        (place / FILE_NAME).replace(folder / REPAIRED)
    sync_folder(folder)
    return lost


def _copy(damaged: Damaged, catalog: Catalog, model: ModelFile) -> int | None:
    """Bring over what can be read; how many items cannot."""
    goal, dimension = damaged.goal(), model.card.embedding_dim
    with catalog.writing() as revision:
        catalog.pin_encoder(model.sha256, model.card.name, dimension)
        if maintenance.is_goal(goal):
            catalog.set_goal(str(goal))
        return damaged.bring_over(catalog, dimension, revision)


def _encoder(folder: Path, pinned: object) -> ModelFile:
    """The encoder of the embeddings; where the catalogue cannot say which, the one there is."""
    for name in (encoder_file.FILE_NAME, encoder_file.NEXT_NAME):
        path = folder / name
        if path.is_file() and pinned in (None, sha256_file(path)):
            return read_model(path)
    raise ClrSearchError(
        f"{folder / encoder_file.FILE_NAME} is missing, or not the encoder that the embeddings "
        "are of.",
        "Copy that encoder there first, or delete the collection and build it anew.",
    )


def _keep_earlier(folder: Path) -> None:
    """Give the damaged catalogue of an earlier repair a number."""
    if not (folder / DAMAGED).exists():
        return
    number = 1
    while (folder / f"{DAMAGED}.{number}").exists():
        number += 1
    (folder / DAMAGED).replace(folder / f"{DAMAGED}.{number}")


def _exchange(folder: Path) -> None:
    """Steps 2 and 3."""
    current = folder / FILE_NAME
    # The WAL goes first: beside another file it would be taken for that one's.
    wal = folder / f"{FILE_NAME}-wal"
    if wal.exists():
        wal.replace(folder / f"{DAMAGED}-wal")
    (folder / f"{FILE_NAME}-shm").unlink(missing_ok=True)
    if current.exists():
        current.replace(folder / DAMAGED)
    sync_folder(folder)
    (folder / REPAIRED).replace(current)
    sync_folder(folder)
