"""Rows as they come from a server: whatever their order, the newest state is what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.milvus import journal, replica
from clr_search.index.catalog.milvus.journal import ITEMS
from clr_search.index.catalog.milvus.rows import packed
from tests.index.made import insert, write_vectors


def test_items_that_were_removed_and_came_back_are_there(tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.clr", np.eye(4, dtype=np.float32))
    catalog = Catalog(tmp_path / "a.clr", writable=True)
    journal.watch(catalog.database)
    database = catalog.database
    with catalog.reading():
        rows = {
            number: [*map(packed, columns), exif, cells]
            for number, columns, _, exif, cells in replica.item_rows(database, [1, 2, 3])
        }
    with catalog.writing():
        replica.begin_taking(database)
        replica.take_items(database, [(1, 9, rows[1]), (2, 7, rows[2])])
        gone = [(ITEMS, 8, [[number, ""], None]) for number in (1, 2, 3)]
        replica.take_facts(database, gone)
        assert [number for (number,) in database.rows("SELECT id FROM items")] == [1, 4]


def test_what_a_later_release_keeps_is_passed_over(tmp_path: Path) -> None:
    write_vectors(tmp_path / "a.clr", np.eye(4, dtype=np.float32))
    catalog = Catalog(tmp_path / "a.clr", writable=True)
    journal.watch(catalog.database)
    with catalog.writing():
        replica.take_facts(catalog.database, [("hats", 3, [["a", ""], [1, 2]])])
        assert catalog.count() == 4
    insert(catalog, np.eye(4, dtype=np.float32)[:1], ["new.png"])
    with catalog.reading():
        assert replica.path_at(catalog.database, 5) == (1, "new.png")
        assert replica.path_at(catalog.database, 6) is None
