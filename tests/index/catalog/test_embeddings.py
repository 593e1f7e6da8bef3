"""Embeddings out of the catalogue; for `Index.embeddings` see `search/test_inventory.py`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.sqlite.database import Database
from tests.index.made import Vectors, clustered, insert, sqlite_of, write_vectors


def opened(tmp_path: Path, rows: Vectors) -> Catalog:
    return Catalog(write_vectors(tmp_path / "x.clr", rows), writable=True)


def test_of_these_ids_those_that_exist(tmp_path: Path) -> None:
    rows = clustered(20, 8)
    catalog = opened(tmp_path, rows)
    with catalog.reading():
        ids, found = embeddings.of(catalog, [7, 3, 99], 8)
    assert ids.tolist() == [3, 7]
    np.testing.assert_array_equal(found, rows[[2, 6]])


def test_by_revision(tmp_path: Path) -> None:
    rows = clustered(20, 8)
    catalog = opened(tmp_path, rows[:12])
    with catalog.reading():
        before = catalog.revision()
    insert(catalog, rows[12:], [f"more/{n}.png" for n in range(8)])
    with catalog.reading():
        ids, found = embeddings.newer(catalog, before, 8)
        assert embeddings.ids(catalog, newest=before).tolist() == list(range(1, 13))
        assert embeddings.ids(catalog, newer_than=before).tolist() == ids.tolist()
        everything = embeddings.newer(catalog, -1, 8)
    assert ids.tolist() == list(range(13, 21))
    np.testing.assert_array_equal(found, rows[12:])
    np.testing.assert_array_equal(everything[1], rows)


def test_chunks_are_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_CHUNK", 7)
    rows = clustered(20, 8)
    catalog = opened(tmp_path, rows)
    with catalog.reading():
        parts = list(embeddings.chunks(catalog, 8))
    assert [len(ids) for ids, _ in parts] == [7, 7, 6]
    assert np.concatenate([ids for ids, _ in parts]).tolist() == list(range(1, 21))
    halves = np.concatenate([values for _, values in parts])
    assert halves.dtype == np.float16
    np.testing.assert_allclose(halves, rows, atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 5, 60])
def test_a_sample_is_always_the_same(tmp_path: Path, count: int) -> None:
    catalog = opened(tmp_path, clustered(max(count, 1), 8)[:count])
    with catalog.reading():
        found = embeddings.sample_of_ids(catalog, 5).tolist()
        assert embeddings.sample_of_ids(catalog, 5).tolist() == found
    assert len(set(found)) == len(found) <= 5
    assert len(found) >= min(count, 3)
    assert set(found) <= set(range(1, count + 1))


def test_a_reader_that_keeps_up_reads_what_is_new_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not the whole table, embeddings and all, in the order of ids."""
    folder = write_vectors(tmp_path / "x.clr", np.eye(4, dtype=np.float32))
    asked: list[str] = []
    real = Database.rows

    def listen(self: Database, sql: str, *values: object) -> sqlite3.Cursor:
        asked.append(sql)
        return real(self, sql, *values)

    monkeypatch.setattr(Database, "rows", listen)
    catalog = Catalog(folder, writable=False)
    with catalog.reading():
        ids, _ = embeddings.newer(catalog, 1, 4)
    catalog.database.close()
    assert ids.tolist() == [1, 2, 3, 4]
    (sql,) = [sql for sql in asked if "embedding" in sql]
    plan = sqlite_of(folder).execute(f"EXPLAIN QUERY PLAN {sql}", (1,)).fetchall()
    assert plan[0][3].startswith("SEARCH items USING INDEX items_by_revision")
