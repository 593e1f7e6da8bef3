"""Reads embeddings from the catalogue as arrays; every call belongs inside `Catalog.reading`.

Every embedding is held against its checksum each time it is read, so that one that has changed on
disk is never searched, and no search structure is made of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.files.names import composed
from clr_search.files.stores.address import located
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import absolute
from clr_search.index.catalog.remote.protocol import blobs_of
from clr_search.index.catalog.sqlite.database import plain, plain_path
from clr_search.index.catalog.sqlite.schema import CHECKED
from clr_search.index.catalog.vectors import checksum_of, halves, is_intact, unit_rows

_CHUNK = 8192  # embeddings that are read at once: 8 MB at D = 512
_EVER = 2**62  # a revision that no collection reaches
_NAMED = 3  # damaged items that an error message names

Rows = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids, shape (n,), ascending, and unit vectors, shape (n, D)."""


class Paths(Sequence[Path]):
    """A sequence of absolute paths of items, each made only when it is read.

    Making a hundred thousand `Path`s takes longer than reading their vectors, and most callers look
    at few paths, or at none.

    Parameters
    ----------
    roots : dict of int to str
        Absolute paths of the roots, by id.
    placed : sequence of (int, str)
        The root id of each item, and its path below the root with forward slashes.
    """

    def __init__(self, roots: dict[int, str], placed: Sequence[tuple[int, str]]) -> None:
        self._roots, self._placed = roots, placed

    def __len__(self) -> int:
        return len(self._placed)

    @overload
    def __getitem__(self, position: int) -> Path: ...
    @overload
    def __getitem__(self, position: slice) -> Paths: ...
    def __getitem__(self, position: int | slice) -> Path | Paths:
        if isinstance(position, slice):
            return Paths(self._roots, self._placed[position])
        root, relative = self._placed[position]
        return located(absolute(self._roots[root], relative))

    def __repr__(self) -> str:
        shown = [str(path) for path in self[:3]]
        return f"<{len(self):,} paths: {', '.join(shown)}{', …' if len(self) > 3 else ''}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Embeddings:
    """Embeddings of items with ids, paths and labels; position i of each belongs to one item.

    Attributes
    ----------
    ids : int64 array, shape (N,)
        Ids of the items, ascending.
    paths : sequence of Path
        Absolute paths of the items.
    labels : list of (str or None)
        Labels of the items; None for items without one.
    vectors : float32 array, shape (N, D)
        Embeddings of unit length.

    Examples
    --------
    >>> Embeddings(np.array([7]), [Path("a.jpg")], ["rose"], np.ones((1, 1), np.float32))
    <1 embeddings of length 1, 1 labels>
    """

    ids: NDArray[np.int64]
    paths: Sequence[Path]
    labels: list[str | None]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        names = {label for label in self.labels if label is not None}
        count, dimension = self.vectors.shape
        return f"<{count:,} embeddings of length {dimension}, {len(names):,} labels>"


def newest(catalog: Catalog) -> int:
    """Returns the newest revision at which an item was embedded; 0 without items."""
    return catalog.database.integer("SELECT coalesce(max(revision), 0) FROM items")


def gather(catalog: Catalog, dimension: int, allowed: NDArray[np.int64] | None) -> Embeddings:
    """Returns all items, or those of the ids `allowed` that exist, by one query.

    Raises
    ------
    ClrSearchError
        If a stored embedding is damaged.
    """
    query = f"SELECT {_stored(catalog)}, root_id, path, label FROM items"  # noqa: S608
    if allowed is None:
        rows = catalog.database.rows(f"{query} ORDER BY id").fetchall()
    else:
        numbers_json = json.dumps(allowed.tolist())
        among = "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        rows = catalog.database.rows(f"{query} {among}", numbers_json).fetchall()
    numbers, vectors = _arrays(catalog, [row[:3] for row in rows], dimension)
    roots = {root.id: root.path for root in catalog.roots()}
    placed = [(root, plain_path(path)) for *_, root, path, _ in rows]
    if not {root for root, _ in placed} <= roots.keys():
        raise sqlite3.DatabaseError("an item is of a folder that is not in it")
    labels = [None if label is None else composed(plain(label)) for *_, label in rows]
    return Embeddings(numbers, Paths(roots, placed), labels, vectors)


def of(catalog: Catalog, ids: Sequence[int], dimension: int) -> Rows:
    """Returns ids and vectors of these items, ascending; ids of no item are left out."""
    rows = catalog.database.rows(
        f"SELECT {_stored(catalog)} FROM items "  # noqa: S608
        "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        json.dumps([int(number) for number in ids]),
    )
    return _arrays(catalog, rows.fetchall(), dimension)


def newer(catalog: Catalog, revision: int, dimension: int) -> Rows:
    """Returns the items embedded after this revision; -1 stands for all items."""
    select = f"SELECT {_stored(catalog)} FROM items"  # noqa: S608
    if revision < 0:  # the order of ids reads every page once
        everything = catalog.database.rows(f"{select} ORDER BY id").fetchall()
        return _arrays(catalog, everything, dimension)
    # Without the "+", SQLite would read the whole table in the order of ids instead of using the
    # index on revision.
    rows = catalog.database.rows(f"{select} WHERE revision > ? ORDER BY +id", revision)
    return _arrays(catalog, rows.fetchall(), dimension)


def chunks(
    catalog: Catalog, dimension: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """Yields all ids, ascending, with their vectors as stored, some thousands at a time.

    Each chunk is an int64 array, shape (n,), and a float16 array, shape (n, D).
    """
    cursor = catalog.database.rows(
        f"SELECT {_stored(catalog)} FROM items ORDER BY id"  # noqa: S608
    )
    while rows := cursor.fetchmany(_CHUNK):
        yield _halves(catalog, rows, dimension)


def damaged(catalog: Catalog, dimension: int) -> list[int]:
    """Returns the ids of all items whose stored embedding is not the one that was written."""
    cursor = catalog.database.rows(
        f"SELECT {_stored(catalog)} FROM items ORDER BY id"  # noqa: S608
    )
    found: list[int] = []
    while rows := cursor.fetchmany(_CHUNK):
        rows = _with_vectors(catalog, rows)
        found += [number for number, blob, kept in rows if not is_intact(blob, kept, dimension)]
    return found


def ids(catalog: Catalog, *, newer_than: int = -1, newest: int = _EVER) -> NDArray[np.int64]:
    """Returns the ids of the items embedded after one revision and up to another, ascending."""
    rows = catalog.database.rows(
        "SELECT id FROM items WHERE revision > ? AND revision <= ?", newer_than, newest
    )
    return np.sort(np.fromiter((number for (number,) in rows), dtype=np.int64))


def sample_of_ids(catalog: Catalog, most: int) -> NDArray[np.int64]:
    """Returns the ids of at most `most` items drawn at random: int64, shape (n,).

    The same items always give the same sample.
    """
    least, last = catalog.database.rows("SELECT min(id), max(id) FROM items").fetchone()
    if least is None:
        return np.empty(0, np.int64)
    some = "SELECT count(*) FROM (SELECT 1 FROM items LIMIT ?)"
    if last - least < 2 * most or catalog.database.integer(some, 2 * most) < 2 * most:
        numbers = ids(catalog)
    else:  # takes the next id after each random number, since removed items leave gaps
        starts = np.random.default_rng(0).integers(least, last + 1, most)
        sql = "SELECT id FROM items WHERE id >= ? ORDER BY id LIMIT 1"
        drawn = [catalog.database.integer(sql, int(start)) for start in starts]
        numbers = np.unique(np.asarray(drawn, dtype=np.int64))
    if len(numbers) > most:
        numbers = np.random.default_rng(0).choice(numbers, most, replace=False)
    return numbers


_Stored = list[tuple[int, bytes, int | None]]
"""Rows of id, embedding and checksum; see `_stored`."""


def _stored(catalog: Catalog) -> str:
    """Returns the columns of `_Stored`; the checksum is NULL in a catalogue that has none yet."""
    checked = catalog.database.schema_version() >= CHECKED
    return f"items.id, embedding, {'checksum' if checked else 'NULL'}"


def _arrays(catalog: Catalog, rows: _Stored, dimension: int) -> Rows:
    """Returns stored embeddings as ids and unit vectors; raises the error of `_halves`."""
    numbers, stored = _halves(catalog, rows, dimension)
    return numbers, unit_rows(stored.astype(np.float32))


def _halves(
    catalog: Catalog, rows: _Stored, dimension: int
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Returns stored embeddings as ids, shape (n,), and vectors as stored, shape (n, D).

    Raises
    ------
    ClrSearchError
        If an embedding is not the one that was written.
    """
    size = 2 * dimension
    rows = _with_vectors(catalog, rows)
    for (
        _,
        blob,
        checksum,
    ) in rows:  # the shape and the checksum; `halves` looks for what is infinite
        if not isinstance(blob, bytes) or len(blob) != size or _differs(blob, checksum):
            raise _damage(catalog, rows, dimension)
    numbers = np.fromiter((number for number, *_ in rows), dtype=np.int64, count=len(rows))
    try:
        return numbers, halves([blob for _, blob, _ in rows], dimension)
    except ClrSearchError:
        raise _damage(catalog, rows, dimension) from None


def _with_vectors(catalog: Catalog, rows: _Stored) -> _Stored:
    """Returns rows with the embeddings that only the server has, where there is one."""
    if catalog.remote is None:
        return rows
    absent = {number: checksum for number, blob, checksum in rows if not blob}
    blobs = blobs_of(catalog, absent) if absent else {}  # type: ignore[arg-type]  # none is NULL there
    return [(number, blob or blobs[number], checksum) for number, blob, checksum in rows]


def _differs(blob: bytes, checksum: int | None) -> bool:
    """Returns whether an embedding has another checksum than the one that was stored."""
    return checksum is not None and checksum_of(blob) != checksum


def _damage(catalog: Catalog, rows: _Stored, dimension: int) -> ClrSearchError:
    """Returns the error that names the items with damaged embeddings."""
    numbers = [number for number, blob, kept in rows if not is_intact(blob, kept, dimension)]
    items = catalog.items(numbers[:_NAMED])
    named = [str(items[n].path) if n in items else f"item {n}" for n in numbers[:_NAMED]]
    vectors = "A stored vector" if len(numbers) == 1 else f"{len(numbers):,} stored vectors"
    more = " and others" if len(numbers) > _NAMED else ""
    return ClrSearchError(
        f"The catalogue of {catalog.folder} is damaged: {vectors} changed on disk, of "
        f"{', '.join(named)}{more}.",
        f"Embed the pictures again with: clr-search repair {catalog.folder}",
    )


class Places:
    """Paths and labels of items, which a search has to wait for: a third of the time of `items`."""

    def __init__(self) -> None:
        self._revision = -1
        self._roots: dict[int, str] = {}

    def of(
        self, catalog: Catalog, numbers: Sequence[int], revision: int
    ) -> dict[int, tuple[Path, str | None]]:
        """Returns the absolute paths and the labels of the items with these ids, by id.

        The roots are read once for each revision: nothing changes them without making a new one.
        """
        if self._revision != revision:
            self._roots = {root.id: root.path for root in catalog.roots()}
            self._revision = revision
        rows = catalog.database.rows(
            "SELECT id, root_id, path, label FROM items WHERE id IN "
            "(SELECT value FROM json_each(?))",
            json.dumps([int(number) for number in numbers]),
        )
        return {
            number: (
                located(absolute(self._root(root), plain_path(path))),
                None if label is None else composed(plain(label)),
            )
            for number, root, path, label in rows
        }

    def _root(self, number: int) -> str:
        """Returns the path of a root; an item of no root is damage."""
        if number not in self._roots:
            raise sqlite3.DatabaseError(f"an item is of a folder {number!r}, which there is not")
        return self._roots[number]
