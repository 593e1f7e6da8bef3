"""Queries and changes: roots, items, skipped files, and the revision that counts them."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.embeddings import Places
from clr_search.index.catalog.records import Content, IndexedFile, Root, SkippedFile
from clr_search.index.catalog.vectors import to_blob
from tests.index.made import clustered

ROW = to_blob(clustered(1, 8)[0])


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(tmp_path, writable=True)
    with catalog.writing():
        catalog.pin_encoder("0" * 64, "none", 8)
    return catalog


def content(sha256: str = "aa", size: int = 1) -> Content:
    return Content(size, 2, sha256, 3, 4, ROW)


def test_every_transaction_is_a_revision_and_a_failed_one_is_none(catalog: Catalog) -> None:
    with catalog.writing() as first:
        pass
    with pytest.raises(KeyboardInterrupt), catalog.writing():
        raise KeyboardInterrupt
    with catalog.writing() as second:
        pass
    assert (first, second) == (2, 3)


def test_a_root_that_was_given_stays_so(catalog: Catalog) -> None:
    with catalog.writing():
        number = catalog.add_root("/p", given=True)
        assert catalog.add_root("/p", given=False) == number
        assert catalog.add_root("/q", given=False) == number + 1
        assert catalog.roots() == [Root(1, "/p", True), Root(2, "/q", False)]
        catalog.drop_empty_roots()
        assert [root.path for root in catalog.roots()] == ["/p"]
        catalog.drop_empty_roots(also_given=[number])
        assert catalog.roots() == []


def test_places_are_those_of_items_also_after_roots_have_changed(catalog: Catalog) -> None:
    places = Places()
    with catalog.writing() as revision:
        root = catalog.add_root("/p", given=True)
        numbers = [catalog.insert(root, name, content(), revision) for name in ("r/a.png", "b.png")]
    for path in ("/p", "/q"):
        with catalog.writing() as revision:
            catalog.set_roots([Root(root, path, True)])
        with catalog.reading():
            expected = {n: (item.path, item.label) for n, item in catalog.items(numbers).items()}
            assert places.of(catalog, [*numbers, 99], revision) == expected
        assert expected[numbers[0]] == (Path(path) / "r/a.png", "r")


def test_an_item_from_its_coming_to_its_leaving(catalog: Catalog) -> None:
    with catalog.writing() as revision:
        root = catalog.add_root("/p", given=True)
        number = catalog.insert(root, "red/a.png", content(), revision)
        assert catalog.items([number, 99]).keys() == {number}
        assert catalog.at("/p/red/a.png") == number
        assert catalog.at("/p/red") is None
        assert catalog.known() == {"/p/red/a.png": IndexedFile(number, 1, 2, "aa")}
        assert catalog.embedded("aa") == (3, 4, ROW, zlib.crc32(ROW))
        assert catalog.with_content("aa") == [number]
    with catalog.writing() as later:
        catalog.replace(number, content("bb", size=9), later)
        catalog.touch(number, 77)
        item = catalog.items([number])[number]
        assert (item.size, item.mtime_ns, item.sha256, item.label) == (9, 77, "bb", "red")
        assert catalog.count(newest=revision) == 0
        assert catalog.contents() == {number: "bb"}
        catalog.move(number, root, "blue/b.png", 78)
        assert catalog.labels() == ["blue"]
        catalog.delete([number])
        assert catalog.count() == 0
        assert catalog.insert(root, "a.png", content(), later) == number + 1  # never used twice


def test_a_given_label_holds_until_the_item_moves(catalog: Catalog) -> None:
    with catalog.writing() as revision:
        root = catalog.add_root("/p", given=True)
        number = catalog.insert(root, "red/a.png", content(), revision)
        catalog.set_label(number, "caf\udce9")
        assert catalog.labels() == ["caf\udce9"]
        catalog.set_label(number, None)
        assert catalog.labels() == [None]
        catalog.move(number, root, "blue/a.png", 2)
        assert catalog.labels() == ["blue"]


def test_a_root_is_merged_into_one_above_it(catalog: Catalog) -> None:
    with catalog.writing() as revision:
        below = catalog.add_root("/p/deep", given=True)
        number = catalog.insert(below, "a.png", content(), revision)
        assert catalog.labels() == [None]
        above = catalog.add_root("/p", given=True)
        catalog.merge_root(catalog.roots()[0], above, "deep/")
        item = catalog.items([number])[number]
        assert (item.root, item.relative, item.label) == (Path("/p"), "deep/a.png", "deep")
        assert [root.path for root in catalog.roots()] == ["/p"]


def test_skipped_files(catalog: Catalog) -> None:
    one, other = (
        SkippedFile("/p/b.png", 1, 2, "truncated"),
        SkippedFile("/p/a\udce9.png", 1, 2, "empty"),
    )
    with catalog.writing():
        catalog.skip(one)
        catalog.skip(other)
        assert {entry.path for entry in catalog.skipped()} == {one.path, other.path}
        catalog.skip(SkippedFile(one.path, 3, 4, "still"))
        catalog.unskip([other.path])
        assert catalog.skipped() == [SkippedFile(one.path, 3, 4, "still")]
