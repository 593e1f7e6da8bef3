"""Makes and opens collections, and checks them before anything in them is used."""

from __future__ import annotations

import logging
from pathlib import Path

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import UsageError
from clr_search.files.own import OwnFolder
from clr_search.images import DECODING
from clr_search.index import contents, encoder_file, maintenance, repair
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.migrations import migrate
from clr_search.progress import Reporter, Silent

_MAKE = "Make one with: clr-search build-index IMAGES --index COLLECTION"


class Logged(Silent):
    """A reporter for use as a library: it logs messages as warnings of ``clr_search.index``."""

    def message(self, text: str) -> None:
        """Logs one line as a warning."""
        logging.getLogger("clr_search.index").warning("%s", text)


def open_collection(
    path: Path, reporter: Reporter, *, writable: bool
) -> tuple[Catalog, WriterLock | None]:
    """Opens a collection, and returns its catalogue and, with `writable`, its lock.

    The caller closes the catalogue and releases the lock. A writer also migrates an older
    catalogue, and repairs what a killed writer has left.

    Raises
    ------
    UsageError
        If there is no collection at `path`, its version is unknown, or, with `writable`, another
        process writes to it.
    ClrSearchError
        If the catalogue is damaged.
    """
    folder = _require_collection(path)
    lock = WriterLock(folder / contents.LOCK) if writable else None
    try:
        catalog = Catalog(folder, writable=writable)
        try:
            with catalog.reading():
                catalog.facts()  # raises an error for a half-made or damaged collection
            if writable:
                migrate(catalog.database, reporter)
                maintenance.repair(catalog, reporter)
        except BaseException:
            catalog.database.close()
            raise
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return catalog, lock


def create(path: Path, encoder: Path | None, reporter: Reporter) -> tuple[Catalog, WriterLock]:
    """Makes a collection, or opens the one at `path`, and returns its catalogue and lock.

    The caller closes the catalogue and releases the lock. Without `encoder`, a new collection gets
    the encoder that comes with the package.

    Raises
    ------
    UsageError
        If the collection belongs to another encoder or is being written to, if `path` is something
        else than a collection, or the file is no encoder.
    ClrSearchError
        If the folder cannot be made or written to, or the catalogue is damaged.
    """
    if path.exists():
        _refuse_foreign(path)
    # It may fail, so that it comes before the folder is made.
    model = None if encoder is None else read_model(encoder)
    folder = OwnFolder.make(path)
    lock = WriterLock(folder / contents.LOCK)
    try:
        catalog = Catalog(folder, writable=True)
        try:
            _pin(catalog, model)
            migrate(catalog.database, reporter)
            maintenance.repair(catalog, reporter)
        except BaseException:
            catalog.database.close()
            raise
    except BaseException:
        lock.release()
        raise
    return catalog, lock


def _pin(catalog: Catalog, model: ModelFile | None) -> None:
    """Binds a new collection to its encoder; refuses another encoder for an existing one."""
    with catalog.reading():
        facts = catalog.facts() if catalog.is_pinned() else None
    if facts is not None:
        if model is not None and model.sha256 != facts.encoder_sha256:
            raise UsageError(
                f"{catalog.folder} belongs to another encoder than {model.path}: to "
                f"{facts.encoder_name}, SHA-256 {facts.encoder_sha256[:16]}….",
                "Leave the encoder out to go on with the one inside the collection, choose another "
                "collection, or embed everything again: clr-search build-index --rebuild",
            )
        return
    model = model or read_model(shipped_encoder())
    (catalog.folder / encoder_file.FILE_NAME).write(model.data)
    with catalog.writing():
        catalog.pin_encoder(model.sha256, model.card.name, model.card.embedding_dim)
        catalog.set_decoding(DECODING)


def _require_collection(path: Path) -> OwnFolder:
    """Opens the folder of a collection; refuses what is none, or whose repair was cut short."""
    if not path.exists():
        raise UsageError(f"There is no collection {path}.", _MAKE)
    if path.is_dir():
        folder = OwnFolder(path)
        repair.refuse_unfinished(folder)
        contents.require_ours(folder)
        if (folder / FILE_NAME).exists():
            return folder
    raise UsageError(f"{path} is not a collection: it holds no {FILE_NAME}.", _MAKE)


def _refuse_foreign(path: Path) -> None:
    """Refuses a path that holds anything but a collection, or the files of a half-made one."""
    if path.is_dir():
        folder = OwnFolder(path)
        repair.refuse_unfinished(folder)
        contents.require_ours(folder)
        if (folder / FILE_NAME).exists() or contents.is_half_made(folder):
            return
    raise UsageError(
        f"{path} is something else than a collection.", "Choose another name for --index."
    )
