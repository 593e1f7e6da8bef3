"""Embeddings out of the catalogue, as arrays; every call belongs inside `Catalog.reading`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import absolute
from clr_search.index.catalog.sqlite.database import plain
from clr_search.index.catalog.vectors import from_blobs, halves

_CHUNK = 8192
_EVER = 2**62

Rows = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids, shape (n,), ascending, and unit vectors, shape (n, D)."""


class Paths(Sequence[Path]):
    """Absolute paths of items; each is made when it is asked for.

    A hundred thousand `Path`s take longer to make than their vectors to read, and most who read
    vectors look at few paths, or at none.
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
        return Path(absolute(self._roots[root], relative))

    def __repr__(self) -> str:
        shown = [str(path) for path in self[:3]]
        return f"<{len(self):,} paths: {', '.join(shown)}{', …' if len(self) > 3 else ''}>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Embeddings:
    """Embeddings of items, with what belongs to each: all by position, ids ascending.

    Attributes
    ----------
    ids : int64 array, shape (N,)
        Ids of the items.
    paths : sequence of Path
        Absolute.
    labels : list of (str or None)
        Labels; see `Item.label`.
    vectors : float32 array, shape (N, D)
        Of unit length.
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


def gather(catalog: Catalog, dimension: int, allowed: NDArray[np.int64] | None) -> Embeddings:
    """All items, or those of these ids that exist, by one query."""
    query = "SELECT id, embedding, root_id, path, label FROM items"
    if allowed is None:
        rows = catalog.database.rows(f"{query} ORDER BY id").fetchall()
    else:
        wanted = json.dumps(allowed.tolist())
        among = "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
        rows = catalog.database.rows(f"{query} {among}", wanted).fetchall()
    numbers, vectors = _arrays([row[:2] for row in rows], dimension)
    roots = {root.id: root.path for root in catalog.roots()}
    placed = [(root, plain(path)) for _, _, root, path, _ in rows]
    labels = [None if label is None else plain(label) for *_, label in rows]
    return Embeddings(numbers, Paths(roots, placed), labels, vectors)


def of(catalog: Catalog, ids: Sequence[int], dimension: int) -> Rows:
    """Returns ids and vectors of these items, ascending; ids of no item are left out."""
    rows = catalog.database.rows(
        "SELECT id, embedding FROM items WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        json.dumps([int(number) for number in ids]),
    )
    return _arrays(rows.fetchall(), dimension)


def newer(catalog: Catalog, revision: int, dimension: int) -> Rows:
    """Items embedded after this revision; all of them after -1."""
    if revision < 0:  # in the order of ids, which reads every page once
        return _arrays(
            catalog.database.rows("SELECT id, embedding FROM items ORDER BY id").fetchall(),
            dimension,
        )
    # "+": else SQLite reads the whole table in the order of ids, and not by the index on revision.
    rows = catalog.database.rows(
        "SELECT id, embedding FROM items WHERE revision > ? ORDER BY +id", revision
    )
    return _arrays(rows.fetchall(), dimension)


def chunks(
    catalog: Catalog, dimension: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
    """All ids in ascending order, some thousands at a time, with their vectors as stored."""
    cursor = catalog.database.rows("SELECT id, embedding FROM items ORDER BY id")
    while rows := cursor.fetchmany(_CHUNK):
        numbers = np.fromiter((number for number, _ in rows), dtype=np.int64, count=len(rows))
        yield numbers, halves([blob for _, blob in rows], dimension)


def ids(catalog: Catalog, *, newer_than: int = -1, newest: int = _EVER) -> NDArray[np.int64]:
    """Ids of the items embedded after a revision, and up to another one, ascending."""
    rows = catalog.database.rows(
        "SELECT id FROM items WHERE revision > ? AND revision <= ?", newer_than, newest
    )
    return np.sort(np.fromiter((number for (number,) in rows), dtype=np.int64))


def sample_of_ids(catalog: Catalog, most: int) -> NDArray[np.int64]:
    """Ids of up to so many items drawn at random, and always the same ones of the same items."""
    least, last = catalog.database.rows("SELECT min(id), max(id) FROM items").fetchone()
    if least is None:
        return np.empty(0, np.int64)
    if last - least < 2 * most:
        numbers = ids(catalog)
    else:  # from a place drawn at random on, the next one: ids have gaps where items were removed
        places = np.random.default_rng(0).integers(least, last + 1, most)
        sql = "SELECT id FROM items WHERE id >= ? ORDER BY id LIMIT 1"
        found = [catalog.database.integer(sql, int(place)) for place in places]
        numbers = np.unique(np.asarray(found, dtype=np.int64))
    if len(numbers) > most:
        numbers = np.random.default_rng(0).choice(numbers, most, replace=False)
    return numbers


def _arrays(rows: list[tuple[int, bytes]], dimension: int) -> Rows:
    numbers = np.fromiter((number for number, _ in rows), dtype=np.int64, count=len(rows))
    return numbers, from_blobs([blob for _, blob in rows], dimension)
