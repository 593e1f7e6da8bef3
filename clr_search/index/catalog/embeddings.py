"""Embeddings out of the catalogue, as arrays; every call belongs inside `Catalog.reading`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.vectors import from_blobs, halves

_CHUNK = 8192
_EVER = 2**62

Rows = tuple[NDArray[np.int64], NDArray[np.float32]]
"""Ids, shape (n,), ascending, and unit vectors, shape (n, D)."""


def of(catalog: Catalog, ids: Sequence[int], dimension: int) -> Rows:
    """Those of these items that exist."""
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
