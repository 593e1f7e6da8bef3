"""Maximal marginal relevance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.search.diverse import spread_out
from tests.index.made import Vectors, clustered


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
