"""Whatever changes a catalogue, by whichever statement, is noted; what stays here is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.index.catalog import facts
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.milvus import journal
from clr_search.index.catalog.milvus.journal import ITEMS, Change
from tests.index.made import insert, write_vectors


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    write_vectors(tmp_path / "a.clr", np.eye(4, dtype=np.float32))
    catalog = Catalog(tmp_path / "a.clr", writable=True)
    journal.watch(catalog.database)
    return catalog


def test_every_table_is_watched(catalog: Catalog) -> None:
    run = catalog.database.rows
    with catalog.writing():
        insert_one = np.eye(4, dtype=np.float32)[:1]
        catalog.set_selection(catalog.selection())
        run("INSERT INTO skipped VALUES (?, 1, 1, 'why')", b"\xff")
        run("INSERT INTO notes VALUES ('ab', '[]')")
        run("INSERT INTO dismissed VALUES ('a', 'b', 'now')")
        run("INSERT INTO columns VALUES (7, 'n', 'text')")
        run("INSERT INTO cells VALUES (7, 2, 'v')")
        run("INSERT INTO exif (item) VALUES (3)")
        run("DELETE FROM items WHERE id = 4")
        assert insert_one.shape == (1, 4)
        assert set(journal.noted(catalog.database)) == {
            Change("meta", facts.SELECTION, ""),
            Change("skipped", b"\xff", ""),
            Change("notes", "ab", ""),
            Change("dismissed", "a", "b"),
            Change("columns", 7, ""),
            Change(ITEMS, 2, ""),
            Change(ITEMS, 3, ""),
            Change(ITEMS, 4, ""),
        }
        journal.forget(catalog.database)
        assert journal.noted(catalog.database) == []


def test_what_changes_nothing_or_is_of_this_machine_is_not_noted(catalog: Catalog) -> None:
    with catalog.writing():
        catalog.set_looked_at(["/pictures"], 5)
        catalog.set_generation(None)
        catalog.database.rows("UPDATE items SET embedding = x''")
        catalog.database.rows("UPDATE items SET label = label")
        assert journal.noted(catalog.database) == []


def test_a_change_that_is_rolled_back_is_forgotten(catalog: Catalog) -> None:
    def failing() -> None:
        with catalog.writing():
            catalog.delete([1])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with catalog.writing():
        assert journal.noted(catalog.database) == []
    insert(catalog, np.eye(4, dtype=np.float32)[:1], ["new.png"])
    with catalog.reading():
        assert Change(ITEMS, 5, "") in journal.noted(catalog.database)
