"""Makes and opens collections, and checks them before anything in them is used."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.contract.shipped import shipped_encoder
from clr_search.errors import UsageError
from clr_search.files.own import OwnFolder
from clr_search.images import DECODING
from clr_search.index import contents, encoder_file, maintenance, repair
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.facts import MOST_VALUES, NO_ENCODER, CollectionFacts
from clr_search.index.catalog.lock import Held, WriterLock
from clr_search.index.catalog.milvus import journal, places, schema
from clr_search.index.catalog.milvus.address import Address, is_address
from clr_search.index.catalog.milvus.connection import Connection
from clr_search.index.catalog.milvus.lease import Lease
from clr_search.index.catalog.milvus.store import MilvusStore
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.catalog.sqlite.migrations import migrate
from clr_search.index.sync import roots
from clr_search.progress import Reporter, Silent

_MAKE = "Make one with: clr-search build-index IMAGES --index COLLECTION"


class Logged(Silent):
    """A reporter for use as a library: it logs messages as warnings of ``clr_search.index``."""

    def message(self, text: str) -> None:
        """Logs one line as a warning."""
        logging.getLogger("clr_search.index").warning("%s", text)


def open_collection(
    path: Path, reporter: Reporter, *, writable: bool, mend: bool = True
) -> tuple[Catalog, Held | None]:
    """Opens a collection, and returns its catalogue and, with `writable`, its lock.

    The caller closes the catalogue and releases the lock. A writer also migrates an older
    catalogue, and with `mend` repairs what a killed writer has left.

    Raises
    ------
    UsageError
        If there is no collection at `path`, its version is unknown, or, with `writable`, another
        process writes to it.
    ClrSearchError
        If the catalogue is damaged.
    """
    if is_address(path):
        return _open_remote(Address.read(str(path)), writable=writable)
    folder = _require_collection(path)
    lock = WriterLock(folder / contents.LOCK) if writable else None
    try:
        catalog = Catalog(folder, writable=writable)
        try:
            with catalog.reading():
                catalog.facts()  # raises an error for a half-made or damaged collection
            if writable:
                migrate(catalog.database, reporter)
                roots.settle(catalog, reporter)
                if mend:
                    maintenance.repair(catalog, reporter)
        except BaseException:
            catalog.database.close()
            raise
    except BaseException:
        if lock is not None:
            lock.release()
        raise
    return catalog, lock


def create(
    path: Path,
    encoder: Path | None,
    dimension: int | None,
    reporter: Reporter,
    *,
    share_encoder: bool = False,
) -> tuple[Catalog, Held]:
    """Makes a collection, or opens the one at `path`, and returns its catalogue and lock.

    The caller closes the catalogue and releases the lock. A new collection gets `encoder`; without,
    one of a `dimension` gets none, and any other the encoder that comes with the package. It is
    copied, or with `share_encoder` shared (`encoder_file.put`).

    Raises
    ------
    UsageError
        If the collection belongs to another encoder or is being written to, if `path` is something
        else than a collection, the file is no encoder, or the dimension is not that of the encoder
        or of the collection.
    ClrSearchError
        If the folder cannot be made or written to, or the catalogue is damaged.
    """
    if dimension is not None and not 0 < dimension <= MOST_VALUES:
        raise UsageError(f"Vectors have 1 to {MOST_VALUES:,} values, not {dimension:,}.")
    if is_address(path):
        if share_encoder:
            raise UsageError(
                f"{path} is on Milvus, and has no file of an encoder to share.",
                "Leave out --share-encoder: the encoder is kept once in your cache.",
            )
        return _create_remote(Address.read(str(path)), encoder, dimension)
    if path.exists():
        _refuse_foreign(path)
    # It may fail, so that it comes before the folder is made.
    model = None if encoder is None else read_model(encoder)
    if model is not None and dimension is not None:
        _require_length(model, dimension)
    if share_encoder:
        encoder_file.refuse_another_disk(encoder or shipped_encoder(), path)
    folder = OwnFolder.make(path)
    lock = WriterLock(folder / contents.LOCK)
    try:
        catalog = Catalog(folder, writable=True)
        try:
            _pin(catalog, model, dimension, share_encoder=share_encoder)
            migrate(catalog.database, reporter)
            roots.settle(catalog, reporter)
            maintenance.repair(catalog, reporter)
        except BaseException:
            catalog.database.close()
            raise
    except BaseException:
        lock.release()
        raise
    return catalog, lock


def _pin(
    catalog: Catalog, model: ModelFile | None, dimension: int | None, *, share_encoder: bool
) -> None:
    """Binds a new collection to its encoder, or to none; checks those of an existing one."""
    with catalog.reading():
        facts = catalog.facts() if catalog.is_pinned() else None
    if facts is not None:
        _require_same(catalog, facts, model, dimension)
        if model is None or (facts.encoder_sha256 and not share_encoder):
            return
    elif dimension is None and model is None:
        model = read_model(shipped_encoder())
    if model is not None and catalog.remote is None:
        file = catalog.folder / encoder_file.FILE_NAME
        encoder_file.put(file, model, share=share_encoder)
    with catalog.writing():
        if model is not None:
            catalog.pin_encoder(model.sha256, model.card.name, model.card.embedding_dim)
        elif dimension is not None:
            catalog.pin_encoder(NO_ENCODER, NO_ENCODER, dimension)
        if facts is None:
            catalog.set_decoding(DECODING)


def _open_remote(address: Address, *, writable: bool) -> tuple[Catalog, Held | None]:
    """Opens a collection on Milvus, and returns its replica and, with `writable`, its lease."""
    schema.require_file(address)
    with ExitStack() as undoing:
        connection = Connection(address)
        undoing.callback(connection.close)
        store = MilvusStore(connection, schema.check(connection))
        catalog = _replica(store, writable=writable)
        undoing.callback(_let_go, catalog, store)
        with catalog.reading():
            facts = catalog.facts()  # raises an error for a half-made or damaged collection
        places.bring_encoder(catalog.folder, facts.encoder_sha256)
        undoing.pop_all()
    return catalog, store.lease


def _create_remote(
    address: Address, encoder: Path | None, dimension: int | None
) -> tuple[Catalog, Held]:
    """Makes a collection on Milvus, or opens that at the address, and returns replica and lease."""
    model = None if encoder is None else read_model(encoder)
    if model is not None and dimension is not None:
        _require_length(model, dimension)
    with ExitStack() as undoing:
        connection = Connection(address)
        undoing.callback(connection.close)
        if not schema.both_are_there(connection):
            if model is None and dimension is None:
                model = read_model(shipped_encoder())
            schema.make(connection, dimension or (model.card.embedding_dim if model else 0))
        store = MilvusStore(connection, schema.check(connection))
        if model is not None:
            _require_length(model, store.dimension)
        catalog = _replica(store, writable=True)
        undoing.callback(_let_go, catalog, store)
        _pin(catalog, model, dimension, share_encoder=False)
        if model is not None:
            places.keep_encoder(catalog.folder, model)
        with catalog.reading():
            places.bring_encoder(catalog.folder, catalog.facts().encoder_sha256)
        undoing.pop_all()
    assert store.lease is not None, "it was opened for writing"
    return catalog, store.lease


def _replica(store: MilvusStore, *, writable: bool) -> Catalog:
    """Opens the replica of a collection on Milvus; for a writer, after taking the lease."""
    folder = places.replica_folder(store.address)
    if writable:
        store.lease = Lease(store.connection, folder, store.stored_lease, store.write_lease)
    try:
        catalog = Catalog(folder, writable=True, remote=store)
        try:
            migrate(catalog.database, Silent())
            journal.watch(catalog.database)
        except BaseException:
            catalog.database.close()
            raise
    except BaseException:
        if store.lease is not None:
            store.lease.release()
        raise
    catalog.database.origin = store
    return catalog


def _let_go(catalog: Catalog, store: MilvusStore) -> None:
    """Closes a replica and gives its lease back."""
    catalog.database.close()
    if store.lease is not None:
        store.lease.release()


def _require_same(
    catalog: Catalog, facts: CollectionFacts, model: ModelFile | None, dimension: int | None
) -> None:
    """Refuses another encoder than that of an existing collection, and another dimension."""
    if dimension is not None and dimension != facts.dimension:
        raise UsageError(
            f"The vectors of {catalog.folder} have {facts.dimension:,} values, not {dimension:,}.",
            "Choose another collection.",
        )
    if model is None:
        return
    if not facts.encoder_sha256:
        _require_length(model, facts.dimension)
    elif model.sha256 != facts.encoder_sha256:
        raise UsageError(
            f"{catalog.folder} belongs to another encoder than {model.path}: to "
            f"{facts.encoder_name}, SHA-256 {facts.encoder_sha256[:16]}….",
            "Leave the encoder out to go on with the one inside the collection, choose another "
            "collection, or embed everything again: clr-search build-index --rebuild",
        )


def _require_length(model: ModelFile, dimension: int) -> None:
    """Refuses an encoder whose vectors are not as long as those that it is to stand for."""
    if model.card.embedding_dim != dimension:
        raise UsageError(
            f"The vectors of {model.path} have {model.card.embedding_dim:,} values; these have "
            f"{dimension:,}.",
            "Give the encoder that made them, imported with: clr-search import-encoder",
        )


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
        f"{path} is something else than a collection.",
        "Choose another name for the collection.",
    )
