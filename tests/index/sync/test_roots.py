"""The root of every file."""

from __future__ import annotations

from pathlib import Path

import pytest

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import Content
from clr_search.index.sync import roots


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path, writable=True)


def listed(catalog: Catalog) -> list[tuple[str, bool]]:
    return [(root.path, root.given) for root in catalog.roots()]


def test_a_file_below_no_given_folder_has_its_own(catalog: Catalog) -> None:
    with catalog.writing():
        assert roots.home(catalog, "/p/a.png") == (1, "a.png")
        assert roots.home(catalog, "/p/b.png") == (1, "b.png")
        assert roots.home(catalog, "/p/q/c.png") == (2, "c.png")
        assert listed(catalog) == [("/p", False), ("/p/q", False)]


def test_below_a_given_folder_it_is_that(catalog: Catalog) -> None:
    with catalog.writing():
        roots.give(catalog, "/p")
        roots.give(catalog, "/p/q")  # lies below one already
        assert listed(catalog) == [("/p", True)]
        assert roots.home(catalog, "/p/q/c.png") == (1, "q/c.png")


def test_a_folder_around_earlier_roots_takes_them_in(catalog: Catalog) -> None:
    with catalog.writing() as revision:
        for path in ("/p/q/a.png", "/pq/b.png"):
            catalog.insert(*roots.home(catalog, path), Content(1, 1, "a", 1, 1, b""), revision)
        roots.give(catalog, "/p")
        assert listed(catalog) == [("/pq", False), ("/p", True)]
        assert catalog.known().keys() == {"/p/q/a.png", "/pq/b.png"}
