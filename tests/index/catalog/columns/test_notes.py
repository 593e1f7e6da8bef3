"""Notes on how pictures were read, by their content."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clr_search.errors import ClrSearchError
from clr_search.images import Note
from clr_search.index import Index
from clr_search.index.catalog.columns import notes
from clr_search.index.catalog.records import NotedItem

CUT, BAND = Note("loss", "3 rows missing"), Note("bands", "band 4 is not shown")


@pytest.fixture
def index(tiny_encoder: Path, tmp_path: Path) -> Iterator[Index]:
    """Three items, of which no content is known: their SHA-256 are "a", "b" and "b"."""
    with Index.create(tmp_path / "x.clr", tiny_encoder) as index:
        index.add_vectors(np.eye(3, 16, dtype=np.float32), ["1", "2", "3"], root=tmp_path)
        with index._catalog.writing():
            index._catalog.database.rows("UPDATE items SET sha256 = iif(id = 1, 'a', 'b')")
        yield index


def test_notes_are_of_contents_and_the_last_reading_counts(index: Index, tmp_path: Path) -> None:
    assert index.noted() == []
    with index._catalog.writing():
        notes.keep(index._catalog, [("a", [CUT]), ("b", [BAND, CUT]), ("other", [CUT])])
    both = (BAND, CUT)
    assert index.noted() == [
        NotedItem(tmp_path / "1", (CUT,)),
        NotedItem(tmp_path / "2", both),
        NotedItem(tmp_path / "3", both),
    ]
    assert [one.lossy for one in index.noted()] == [True] * 3
    with index._catalog.writing():
        notes.keep(index._catalog, [("a", []), ("b", [BAND])])
    assert [(one.path.name, str(one)) for one in index.noted()] == [
        ("2", "read, band 4 is not shown"),
        ("3", "read, band 4 is not shown"),
    ]


@pytest.mark.parametrize("text", ["", "[]", "7", '[["loss"]]', '[["odd", "x"]]', '[["loss", 7]]'])
def test_other_texts_are_damage(index: Index, text: str) -> None:
    with index._catalog.writing():
        index._catalog.database.rows("INSERT INTO notes VALUES ('a', ?)", text)
    with pytest.raises(ClrSearchError, match="damaged"):
        index.noted()


def test_a_catalogue_of_an_older_release_has_none(index: Index) -> None:
    with index._catalog.writing():
        index._catalog.database.rows("DROP TABLE notes")
        index._catalog.database.rows("PRAGMA user_version = 5")
    assert index.noted() == []
