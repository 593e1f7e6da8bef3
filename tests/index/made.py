"""Collections made for tests: of vectors without pictures, and of pictures from a tiny encoder."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import made
from bench.made import write_noise as write_noise
from clr_search.files.write import sha256_bytes
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import Content
from clr_search.index.catalog.vectors import from_blobs, to_blob
from clr_search.progress import Silent

Vectors = NDArray[np.float32]


class Heard(Silent):
    """A reporter that keeps its messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def clustered(count: int, dimension: int, seed: int = 0, *, clusters: int = 40) -> Vectors:
    """As the bench's, and as they come back from the catalogue."""
    return as_stored(made.clustered(count, dimension, seed, clusters=clusters))


def as_stored(rows: NDArray[np.floating]) -> Vectors:
    """Vectors as they come back from the catalogue, however often they go in."""
    kept = rows.astype(np.float32)
    while True:
        back = from_blobs([to_blob(row) for row in kept], rows.shape[1])
        if (back == kept).all():
            return back
        kept = back


def write_vectors(
    folder: Path, rows: Vectors, paths: Sequence[str] | None = None, *, root: str = "/pictures"
) -> Path:
    """A collection of vectors, whose pictures and encoder are not there."""
    folder.mkdir()
    catalog = Catalog(folder, writable=True)
    with catalog.writing():
        catalog.pin_encoder("0" * 64, "none", rows.shape[1])
    insert(catalog, rows, paths or [f"{number:06d}.png" for number in range(len(rows))], root)
    catalog.database.close()
    return folder


def insert(catalog: Catalog, rows: Vectors, paths: Sequence[str], root: str = "/pictures") -> None:
    """Add items, as a batch of an update does."""
    with catalog.writing() as revision:
        number = catalog.add_root(root, given=True)
        for row, path in zip(rows, paths, strict=True):
            content = Content(
                1,
                1,
                sha256_bytes(f"{root}{path}".encode("utf-8", "surrogatepass")),
                8,
                8,
                to_blob(row),
            )
            catalog.insert(number, path, content, revision)


def brute(rows: Vectors, query: Vectors, k: int, allowed: Iterable[int] | None = None) -> list[int]:
    """Positions of the k rows of greatest cosine, ties by position: all scored in float64."""
    unit = query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
    scores = (rows.astype(np.float64) * unit.astype(np.float32).astype(np.float64)).sum(axis=1)
    positions = range(len(rows)) if allowed is None else allowed
    return sorted(positions, key=lambda position: (-scores[position], position))[:k]


def sqlite_of(collection: Path) -> sqlite3.Connection:
    """Its catalogue, past all our code."""
    return sqlite3.connect(collection / "catalog.sqlite", isolation_level=None)


def rows_of(collection: Path) -> dict[str, tuple[str, bytes]]:
    """SHA-256 and embedding of every item by absolute path, past all our code."""
    connection = sqlite_of(collection)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute(
            "SELECT roots.path || '/' || items.path, sha256, embedding FROM items "
            "JOIN roots ON roots.id = root_id"
        ).fetchall()
    finally:
        connection.close()
    found = {path: (sha256, embedding) for path, sha256, embedding in rows}
    assert len(found) == len(rows), "a file is in the collection twice"
    return found
