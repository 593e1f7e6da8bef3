"""What a person has said to be no copies, by content."""

from __future__ import annotations

from pathlib import Path

from clr_search.index.catalog import dismissals
from clr_search.index.catalog.catalog import Catalog
from tests.index.made import clustered, sqlite_of, write_vectors


def test_pairs_are_remembered_in_one_order_and_forgotten(tmp_path: Path) -> None:
    folder = write_vectors(tmp_path / "x.clr", clustered(3, 8))
    catalog = Catalog(folder, writable=True)
    pairs = {dismissals.pair_of("b", "a"), dismissals.pair_of("c", "c")}
    assert pairs == {("a", "b"), ("c", "c")}
    for _ in range(2):  # what is said twice is remembered once
        with catalog.writing():
            dismissals.dismiss(catalog.database, pairs)
        assert dismissals.dismissed(catalog.database) == pairs
    with catalog.writing():
        dismissals.undo(catalog.database, [("a", "b"), ("x", "y")])
    assert dismissals.dismissed(catalog.database) == {("c", "c")}
    catalog.database.close()


def test_a_catalogue_of_an_older_version_has_none(tmp_path: Path) -> None:
    folder = write_vectors(tmp_path / "x.clr", clustered(3, 8))
    with sqlite_of(folder) as connection:
        connection.execute("DROP TABLE dismissed")
    catalog = Catalog(folder, writable=False)
    assert dismissals.dismissed(catalog.database) == frozenset()
    catalog.database.close()
