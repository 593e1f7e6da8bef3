"""The scale of scores by chance."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from clr_search.index import Index
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search.chance import chance_scores, percentiles
from tests.index.made import Vectors, clustered, write_vectors


def test_of_a_small_collection_all_pairs(tmp_path: Path) -> None:
    rows = clustered(40, 8, seed=1)
    folder = write_vectors(tmp_path / "c.clr", rows)
    catalog = Catalog(folder, writable=False)
    with catalog.reading():
        found = chance_scores(catalog, 8)
    catalog.database.close()
    expected = sorted(float(rows[i] @ rows[j]) for i, j in combinations(range(40), 2))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_of_a_large_one_with_gaps_a_sample(rows: Vectors, many: Path) -> None:
    with Index.open(many, writable=True) as index:
        index.remove(["/pictures/even"])
        catalog = index._catalog
        with catalog.reading():
            found = chance_scores(catalog, rows.shape[1])
            again = chance_scores(catalog, rows.shape[1])
        _, left = index.vectors()
    assert np.array_equal(found, again)
    assert 60_000 < len(found) <= 79_800
    every = (left @ left.T)[np.triu_indices(len(left), k=1)]
    for share in (0.1, 0.5, 0.9, 0.99):
        assert np.quantile(found, share) == pytest.approx(np.quantile(every, share), abs=0.05)


def test_percentile_by_hand() -> None:
    scale = np.asarray([0.1, 0.2, 0.3, 0.4], np.float32)
    assert percentiles(np.array([0.0, 0.15, 0.35, 0.9]), scale) == [0, 25, 75, 100]
    assert percentiles(np.array([0.5, 0.1]), np.empty(0, np.float32)) == [None, None]


def test_matches_carry_it_and_follow_changes(rows: Vectors, many: Path) -> None:
    with Index.open(many, writable=True) as index:
        found = index.search_vector(rows[0], 2000)
        shares = [match.percentile for match in found]
        assert shares[0] == 100
        assert shares == sorted(shares, reverse=True)
        scores = (rows @ rows.T)[np.triu_indices(len(rows), k=1)]
        middle = found[50]
        expected = 100 * float((scores < middle.score).mean())
        assert middle.percentile == pytest.approx(expected, abs=2)
        ids, _ = index.vectors()
        index.remove([str(item.path) for item in index.items(ids[1:].tolist())])
        assert [match.percentile for match in index.search_vector(rows[0])] == [None]
