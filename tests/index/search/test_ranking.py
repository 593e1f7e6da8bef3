"""The scale of scores by chance, and results that differ from each other."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search.ranking import (
    MOST_CANDIDATES,
    candidates,
    chance_scores,
    percentiles,
    spread_out,
)
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
    found = percentiles(np.array([0.0, 0.15, 0.35, 0.9]), scale)
    assert found is not None
    assert found.tolist() == [0, 25, 75, 100]
    assert percentiles(np.array([0.5, 0.1]), np.empty(0, np.float32)) is None


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


def by_definition(scores: Vectors, rows: Vectors, k: int, weight: float) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < min(k, len(scores)):
        best, gain = -1, -np.inf
        for n in range(len(scores)):
            if n in chosen:
                continue
            near = max((float(rows[n] @ rows[m]) for m in chosen), default=0.0)
            value = (1 - weight) * float(scores[n]) - weight * near
            if value > gain + 1e-9:
                best, gain = n, value
        chosen.append(best)
    return sorted(chosen)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0, 1))
def test_it_is_the_definition(seed: int, k: int, weight: float) -> None:
    rows = clustered(31, 6, seed=seed)
    scores = (rows[1:] @ rows[0]).astype(np.float64)
    order = np.argsort(-scores)
    scores, candidates = scores[order], rows[1:][order]
    found = spread_out(scores, candidates, k, weight)
    assert found.tolist() == by_definition(scores, candidates, k, weight)


def test_without_weight_the_nearest() -> None:
    rows = clustered(20, 5, seed=2)
    scores = np.linspace(1, 0, 20)
    assert spread_out(scores, rows, 6, 0.0).tolist() == list(range(6))


def test_copies_do_not_crowd_out_the_others() -> None:
    """Three copies of one neighbour, and one other."""
    rows = np.asarray([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    assert spread_out(np.asarray([0.9, 0.9, 0.9, 0.8]), rows, 2, 0.5).tolist() == [0, 3]


def test_a_diverse_search(rows: Vectors, many: Path) -> None:
    with Index.open(many) as index:
        plain = index.search_vector(rows[0], 50)
        found = index.search_vector(rows[0], 10, diverse=0.5)
    assert len(found) == 10
    assert set(found.ids) <= set(plain.ids)
    assert set(found.ids) != set(plain.ids[:10])
    assert (np.diff(found.scores) <= 0).all()
    assert [match.rank for match in found] == list(range(1, 11))

    def alike(ids: list[int]) -> float:
        chosen = rows[np.asarray(ids) - 1]
        return float((chosen @ chosen.T)[np.triu_indices(len(ids), k=1)].mean())

    assert alike(found.ids.tolist()) < alike(plain.ids[:10].tolist())


@pytest.mark.parametrize("diverse", [-0.1, 1.1, float("nan")])
def test_out_of_range(diverse: float, many: Path) -> None:
    with Index.open(many) as index, pytest.raises(UsageError, match="diverse is"):
        index.search("query.jpg", diverse=diverse)


def test_many_diverse_results_are_chosen_in_bounded_work() -> None:
    """The table of candidates is used where it is small, and gives what single products give."""
    assert max(candidates(k) for k in range(1, 1001)) == MOST_CANDIDATES
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((MOST_CANDIDATES + 1, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = np.sort(rows @ rows[0])[::-1]
    beyond = spread_out(scores, rows, 300, 0.5)
    within = spread_out(scores[:-1], rows[:-1], 300, 0.5)
    assert MOST_CANDIDATES in beyond or np.array_equal(beyond, within)
    assert len(within) == len(beyond) == 300
