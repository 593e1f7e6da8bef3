"""Copying between folders; copies to Milvus and back are in the suite of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.analysis.exchange.copying import copy_collection
from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from tests.index.catalog.milvus.made import add_odd_ones, state, tell
from tests.index.made import sqlite_of


@pytest.fixture
def source(tmp_path: Path, tiny_encoder: Path) -> Path:
    pictures = add_odd_ones(tmp_path / "pictures")
    with Index.create(tmp_path / "source.clr", tiny_encoder) as index:
        tell(index, pictures)
        index.add_vectors(np.eye(16)[:2], ["a", "b/c"], root=tmp_path / "elsewhere")
    return tmp_path / "source.clr"


def test_a_copy_keeps_everything_and_goes_on_after_an_interruption(
    source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target.clr"
    assert copy_collection(source, target).added == 17
    with Index.open(target, writable=True) as copied, Index.open(source) as original:
        assert state(copied) == state(original)
        paths = sorted(str(item.path) for item in copied.items(copied.ids()))
        copied.remove(paths[:5])
        copied.relabel({copied.id_at(paths[7]): "another"})
    report = copy_collection(source, target)
    assert (report.added, report.changed, report.unchanged) == (5, 1, 11)
    with Index.open(target) as copied, Index.open(source) as original:
        assert state(copied) == state(original)


def test_what_cannot_be_copied_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the source itself"):
        copy_collection(source, source)
    with Index.create(tmp_path / "other.clr", dimension=16) as other:
        other.add_vectors(np.eye(16)[:1], ["/x"])
    with pytest.raises(UsageError, match="pictures that"):
        copy_collection(source, tmp_path / "other.clr")
    connection = sqlite_of(source)
    connection.execute("UPDATE items SET embedding = zeroblob(32) WHERE id = 3")
    connection.close()
    with pytest.raises(ClrSearchError, match=r"The vector of .* is damaged") as caught:
        copy_collection(source, tmp_path / "target.clr")
    assert "clr-search repair" in caught.value.remedy
