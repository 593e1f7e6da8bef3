"""Makes and opens collections, and checks them before anything in them is used."""

from __future__ import annotations

import logging
from pathlib import Path

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.write import write_atomically
from clr_search.images import DECODING
from clr_search.index import encoder_file, maintenance, repair
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.migrations import migrate
from clr_search.progress import Reporter, Silent

_LOCK = "lock"
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
    _require_collection(path)
    lock = WriterLock(path / _LOCK) if writable else None
    try:
        catalog = Catalog(path, writable=writable)
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
    repair.refuse_unfinished(path)
    if path.exists() and not (path / FILE_NAME).is_file():
        _refuse_foreign(path)
    model = (
        None if encoder is None else read_model(encoder)
    )  # may fail, so it comes before the folder
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClrSearchError(
            f"{path} cannot be made: {error.strerror}.", "Choose another place for --index."
        ) from error
    lock = WriterLock(path / _LOCK)
    try:
        catalog = Catalog(path, writable=True)
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
    write_atomically(catalog.folder / encoder_file.FILE_NAME, model.data)
    with catalog.writing():
        catalog.pin_encoder(model.sha256, model.card.name, model.card.embedding_dim)
        catalog.set_decoding(DECODING)


def _require_collection(path: Path) -> None:
    """Refuses a path at which there is no collection, or one whose repair was cut short."""
    if not path.exists():
        raise UsageError(f"There is no collection {path}.", _MAKE)
    repair.refuse_unfinished(path)
    if not (path / FILE_NAME).is_file():
        raise UsageError(f"{path} is not a collection: it holds no {FILE_NAME}.", _MAKE)


def _refuse_foreign(path: Path) -> None:
    """Refuses a path that holds anything but the files of a half-made collection."""
    ours = {_LOCK, encoder_file.FILE_NAME}
    if not path.is_dir() or any(
        entry.name not in ours and not entry.name.startswith(f".{encoder_file.FILE_NAME}.")
        for entry in path.iterdir()
    ):
        raise UsageError(
            f"{path} is something else than a collection.", "Choose another name for --index."
        )
