"""What writers do to a collection, and the collections that they begin with.

Every command that writes to a collection has its operation, and every kind of search structure
its own builds, updates, removals and rebuilds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bench.made import clustered, write_noise
from clr_search.files.own import OwnFolder
from clr_search.index import Index
from clr_search.index.ann import structures
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.repair import repair
from clr_search.index.sync.mend import mend
from clr_search.progress import Silent

EXACT_ITEMS = 40
"""Collections of more items get a FAISS file here."""

OPERATIONS = (
    "build",
    "update",
    "migrate",
    "add",
    "ingest",
    "remove",
    "retire",
    "rebuild",
    "aim",
    "relocate",
    "remark",
    "mend",
    "repair",
)
"""To migrate is an update of a collection of schema version 1. A removal may leave enough items for
a new FAISS file, or so few that it is retired. To aim is to ask for a graph; to remark, to give
columns and labels and to say what is no copy; to mend, to embed damaged vectors again; to repair,
to save what can be read of a damaged catalogue."""

KINDS = (*structures.KINDS, structures.GRAPH)
"""The kinds of search structures."""

WITH_KINDS = ("build", "update", "remove", "rebuild")
"""The operations that make a search structure, each in its own way."""

MOVED = "before"
"""Name of the folder of pictures that is said to have been moved to `PHOTOS`."""
PHOTOS = "photos"

_GONE = "000/00007.png"  # a picture whose stored vector is damaged, and whose file is gone


@contextmanager
def only_kind(kind: str | None) -> Iterator[None]:
    """Let every search structure be of this kind; None for that which measures best."""
    kinds, least = structures.KINDS, structures._PQ_LEAST
    if kind in kinds:
        structures.KINDS, structures._PQ_LEAST = {kind: kinds[kind]}, 16
    try:
        yield
    finally:
        structures.KINDS, structures._PQ_LEAST = kinds, least


def operate(job: dict[str, Any], acknowledge: Callable[[], None]) -> None:
    """Do to a collection what a job says; `acknowledge` follows what is no transaction."""
    collection, what, graph = job["collection"], job["operation"], job["kind"] == structures.GRAPH
    if what == "build":
        with Index.create(collection, job["encoder"]) as index:
            if graph:
                index.aim(graph=True)
            index.update(job["paths"], batch_size=7, workers=1)
        return
    if what == "repair":
        repair(OwnFolder(Path(collection)))
        acknowledge()
    if what in ("repair", "mend"):
        mend(OwnFolder(Path(collection)), Silent())
    with Index.open(collection, writable=True) as index:
        _CHANGES[what](index, job)


def _update(index: Index, job: dict[str, Any]) -> None:
    index.update(job["paths"], batch_size=7, workers=1)


def _add(index: Index, job: dict[str, Any]) -> None:
    index.add(job["paths"], batch_size=7, workers=1)


def _ingest(index: Index, job: dict[str, Any]) -> None:
    paths = [f"{number % 3}/{number}.png" for number in range(30)]
    index.add_vectors(clustered(30, index.info().dimension), paths, root="/elsewhere")


def _remove(index: Index, job: dict[str, Any]) -> None:
    files = [item.path for item in index.items(index.ids())]
    there = [p for p in job["paths"] if any(file.is_relative_to(p) for file in files)]
    if there:
        index.remove(there)


def _rebuild(index: Index, job: dict[str, Any]) -> None:
    index.rebuild(job["encoder"], batch_size=7, workers=1)


def _aim(index: Index, job: dict[str, Any]) -> None:
    index.aim(graph=True, recall=0.9)
    index.settle()


def _relocate(index: Index, job: dict[str, Any]) -> None:
    new = Path(job["paths"][0])
    old = new.with_name(MOVED)
    if any(item.path.is_relative_to(old) for item in index.items(index.ids())):
        index.relocate(old, new)


def _remark(index: Index, job: dict[str, Any]) -> None:
    ids = index.ids()[:20]
    index.give_columns({"rating": {number: number % 5 for number in ids}, "shop": {ids[0]: "a"}})
    index.give_columns({"rating": {number: number / 2 for number in ids}})
    index.label({number: f"class {number % 3}" for number in ids})
    index.dismiss(ids[:4])
    index.dismiss(ids[:2], undo=True)


def _settle(index: Index, job: dict[str, Any]) -> None:
    index.settle()


_CHANGES: dict[str, Callable[[Index, dict[str, Any]], None]] = {
    "update": _update,
    "migrate": _update,
    "add": _add,
    "ingest": _ingest,
    "remove": _remove,
    "retire": _remove,
    "rebuild": _rebuild,
    "aim": _aim,
    "relocate": _relocate,
    "remark": _remark,
    "mend": _settle,
    "repair": _settle,
}


def before_start(operation: str, photos: Path) -> list[str]:
    """The paths that the collection is built of with which an operation begins."""
    if operation == "add":
        return [str(photos / f"{number:03d}") for number in range(5)]
    if operation == "relocate":
        photos.rename(photos.with_name(MOVED))
        return [str(photos.with_name(MOVED))]
    return [str(photos)]


def after_start(operation: str, photos: Path, start: Path) -> None:
    """Change pictures and collection to what the operation is there for."""
    if operation in ("update", "migrate"):
        _change(photos)
    if operation == "migrate":
        _make_old(start)
    if operation == "relocate":
        photos.with_name(MOVED).rename(photos)
    if operation == "mend":
        (photos / _GONE).unlink()
        _damage_vectors(start)
    if operation == "repair":
        _damage_page(start)


def _change(photos: Path) -> None:
    """Some pictures new, some changed, some gone, one moved."""
    write_noise(photos, 12, seed=1, first=60)
    write_noise(photos, 5, seed=2, first=10)
    for number in range(30, 36):
        (photos / "003" / f"{number:05d}.png").unlink()
    (photos / "004" / "00040.png").rename(photos / "moved.png")


def _make_old(collection: Path) -> None:
    """Back to schema version 1."""
    with closing(sqlite3.connect(collection / FILE_NAME)) as connection:
        connection.executescript(
            "DROP INDEX items_by_file; ALTER TABLE items DROP COLUMN checksum; "
            "ALTER TABLE staged DROP COLUMN checksum; DROP TABLE exif; DROP TABLE columns; "
            "DROP TABLE cells; DROP TABLE dismissed; DROP TABLE notes; "
            "DELETE FROM meta WHERE key IN ('home', 'looked_at'); PRAGMA user_version = 1"
        )


def _damage_vectors(collection: Path) -> None:
    """Flip a bit in the stored vectors of three pictures, of which the file of one is gone."""
    with closing(sqlite3.connect(collection / FILE_NAME)) as connection:
        rows = connection.execute(
            "SELECT id, embedding FROM items WHERE path LIKE ? OR id IN (20, 30)", [f"%{_GONE}"]
        ).fetchall()
        assert len(rows) == 3
        for number, embedding in rows:
            changed = np.frombuffer(embedding, np.uint8).copy()
            changed[3] ^= 64
            connection.execute(
                "UPDATE items SET embedding = ? WHERE id = ?", [changed.tobytes(), number]
            )
        connection.commit()


def _damage_page(collection: Path) -> None:
    """Overwrite the first page of an index, so that the items are saved one by one."""
    with closing(sqlite3.connect(collection / FILE_NAME)) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'items_by_sha256'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (collection / FILE_NAME).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(np.random.default_rng(0).bytes(size))
