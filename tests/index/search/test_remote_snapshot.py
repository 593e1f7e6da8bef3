"""A search on a server: blocks of queries, more neighbours than it gives, and exact scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.index import Index
from clr_search.index.catalog.milvus.store import MilvusStore
from clr_search.index.search import remote_snapshot
from tests.index.made import clustered


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("CLR_SEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_snapshot, "FEW", 5)
    with Index.create(f"milvus+file:{tmp_path / 'all.db'}/photos", dimension=12) as index:
        rows = clustered(300, 12, seed=1)
        index.add_vectors(rows, [f"{n % 3}/{n}.jpg" for n in range(300)], root="/")
        yield index


def test_queries_in_blocks_and_by_scans_find_the_same(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = clustered(340, 12, seed=1)[300:]
    whole = index.search_vectors(queries, 7, label="1")
    monkeypatch.setattr(remote_snapshot, "_QUERIES", 11)
    blocks = index.search_vectors(queries, 7, label="1")
    monkeypatch.setattr(MilvusStore, "most_neighbours", 5)
    scanned = index.search_vectors(queries, 7, label="1")
    for other in (blocks, scanned):
        assert (other.ids == whole.ids).all()
        assert np.allclose(other.scores, whole.scores, atol=1e-5)


def test_scores_are_those_of_the_stored_vectors(index: Index) -> None:
    ids, rows = index.vectors()
    query = clustered(301, 12, seed=1)[300]
    expected = np.sort(rows.astype(np.float64) @ query.astype(np.float64))[::-1][:9]
    matches = index.search_vector(query, 9)
    assert [match.score for match in matches] == pytest.approx(expected.tolist(), abs=1e-7)
    left_out = [match.id for match in matches[:4]]
    rest = index.search_vector(query, 5, exclude=left_out)
    assert [match.id for match in rest] == [match.id for match in matches[4:9]]
    assert len(ids) == 300
