"""Staged embeddings: beside those in use until they take over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.index.catalog import embeddings, staging
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.records import Content
from clr_search.index.catalog.vectors import to_blob
from tests.index.made import Vectors, clustered, write_vectors


@pytest.fixture
def rows() -> Vectors:
    return clustered(3, 8, seed=9)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(write_vectors(tmp_path / "x.clr", clustered(3, 8)), writable=True)


def content(row: Vectors, size: int = 10) -> Content:
    return Content(size, 20, "ab" * 32, 30, 40, to_blob(row))


def test_what_is_staged_changes_nothing_until_it_takes_over(
    catalog: Catalog, rows: Vectors
) -> None:
    with catalog.reading():
        before = embeddings.newer(catalog, -1, 8)[1]
    with catalog.writing():
        staging.begin(catalog, "new")
        for number, row in enumerate(rows, start=1):
            staging.keep(catalog, number, content(row))
    with catalog.reading():
        assert catalog.facts().rebuild_sha256 == "new"
        np.testing.assert_array_equal(embeddings.newer(catalog, -1, 8)[1], before)
        assert staging.staged(catalog) == {1: (10, 20), 2: (10, 20), 3: (10, 20)}
    with catalog.writing() as revision:
        staging.take_over(catalog, revision)
    with catalog.reading():
        np.testing.assert_array_equal(embeddings.newer(catalog, revision - 1, 8)[1], rows)
        item = catalog.items([2])[2]
        assert (item.size, item.mtime_ns, item.width, item.height) == (10, 20, 30, 40)
        assert staging.staged(catalog) == {}
        assert catalog.facts().rebuild_sha256 is None


def test_what_gives_no_embedding_is_told_with_its_reason(catalog: Catalog, rows: Vectors) -> None:
    with catalog.writing():
        staging.begin(catalog, "new")
        staging.keep(catalog, 1, content(rows[0]))
        staging.keep_unusable(catalog, 2, (5, 6), "it is truncated")
        staging.keep_unusable(catalog, 99, (5, 6), "of an item that has left")
    with catalog.reading():
        assert staging.unusable(catalog) == [(2, (5, 6), "it is truncated")]
    with catalog.writing():
        staging.keep(catalog, 2, content(rows[1], size=7))  # the file has come back
    with catalog.reading():
        assert staging.unusable(catalog) == []
        assert staging.staged(catalog)[2] == (7, 20)


def test_another_encoder_begins_anew(catalog: Catalog, rows: Vectors) -> None:
    with catalog.writing():
        staging.begin(catalog, "new")
        staging.keep(catalog, 1, content(rows[0]))
        staging.begin(catalog, "newer")
    with catalog.reading():
        assert staging.staged(catalog) == {}
        assert catalog.facts().rebuild_sha256 == "newer"
