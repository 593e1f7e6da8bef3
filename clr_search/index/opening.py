"""Making and opening a collection: what is checked before anything in it is believed."""

from __future__ import annotations

import logging
from pathlib import Path

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.write import write_atomically
from clr_search.index import encoder_file, maintenance, repair
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.migrations import migrate
from clr_search.progress import Reporter, Silent

_LOCK = "lock"
_MAKE = "Make one with: clr-search build-index IMAGES --index COLLECTION"


class Logged(Silent):
    """A reporter for library use: messages become warnings of the logger ``clr_search.index``."""

    def message(self, text: str) -> None:
        """Log one line."""
        logging.getLogger("clr_search.index").warning("%s", text)


def open_collection(
    path: Path, reporter: Reporter, *, writable: bool
) -> tuple[Catalog, WriterLock | None]:
    """See `Index.open`."""
    _require_collection(path)
    lock = WriterLock(path / _LOCK) if writable else None
    try:
        catalog = Catalog(path, writable=writable)
        try:
            with catalog.reading():
                catalog.facts()  # refuses a making that was cut short, and damage
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
    """See `Index.create`."""
    repair.refuse_unfinished(path)
    if path.exists() and not (path / FILE_NAME).is_file():
        _refuse_foreign(path)
    model = None if encoder is None else read_model(encoder)  # before anything is made
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
    """Bind a new collection to its encoder; refuse another one for a collection that has one."""
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


def _require_collection(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"There is no collection {path}.", _MAKE)
    repair.refuse_unfinished(path)
    if not (path / FILE_NAME).is_file():
        raise UsageError(f"{path} is not a collection: it holds no {FILE_NAME}.", _MAKE)


def _refuse_foreign(path: Path) -> None:
    ours = {_LOCK, encoder_file.FILE_NAME}
    if not path.is_dir() or any(
        entry.name not in ours and not entry.name.startswith(f".{encoder_file.FILE_NAME}.")
        for entry in path.iterdir()
    ):
        raise UsageError(
            f"{path} is something else than a collection.", "Choose another name for --index."
        )
