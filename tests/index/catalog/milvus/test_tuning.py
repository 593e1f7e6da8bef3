"""The index on Milvus: exact while it is small, then a graph whose recall is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clr_search.index import Index
from clr_search.index.catalog.milvus import tuning
from clr_search.index.search import remote_snapshot
from tests.index.made import Heard, clustered


def test_a_large_collection_gets_a_graph_that_finds_what_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "EXACT_ITEMS", 500)
    monkeypatch.setattr(remote_snapshot, "FEW", 50)
    rows = clustered(1500, 24, seed=3)
    address = f"milvus+file:{tmp_path / 'all.db'}/photos"
    heard = Heard()
    with Index.create(address, dimension=24) as index:
        index.add_vectors(rows[:400], [f"{n % 7}/{n}.jpg" for n in range(400)], root="/")
        assert index.info().structure.startswith("exact")
        paths = [f"{n % 7}/{n}.jpg" for n in range(400, 1500)]
        index.add_vectors(rows[400:], paths, root="/", reporter=heard)
        info = index.info()
        assert info.structure.startswith("HNSW,M=16,ef=")
        assert info.recall is not None
        assert info.recall >= 0.99
        assert any("measured recall@10" in message for message in heard.messages)
        stored = index.vectors()[1]
        queries = clustered(1700, 24, seed=3)[1500:]
        exact = np.argsort(-(queries @ stored.T), axis=1)[:, :10]
        found = index.search_vectors(queries, 10)
        assert found.recall(np.array(index.ids())[exact]) >= 0.98
        # Through filters, whether Milvus checks them or gets ids, and past the first answers.
        for conditions in ({"label": "3"}, {"where": "label = '3'"}, {"glob": "*[5-9].jpg"}):
            ids = np.array(index.ids(where=conditions))
            allowed = np.isin(index.ids(), ids)
            best = np.argsort(-(queries[:20] @ stored[allowed].T), axis=1)[:, :10]
            through = index.search_vectors(queries[:20], 10, where=conditions)
            assert np.isin(through.ids, ids).all()
            assert through.recall(ids[best]) >= 0.98
        everything = index.search_vector(rows[0], 2000, include_self=True)
        assert len(everything) == 1500
        index.aim(recall=0.9)
        index.settle(reporter=heard)
        assert index.info().structure.startswith("HNSW")
