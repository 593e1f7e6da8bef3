"""Pairs and groups of like vectors, against brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clr_search.analysis import grouping
from clr_search.analysis.grouping import Together, complete_groups, near_pairs
from tests.index.made import Vectors, clustered


def all_reach(rows: Vectors, first: list[int], second: list[int], least: float) -> bool:
    return bool((rows[first] @ rows[second].T).min() >= least - 1e-6)


def brute(rows: Vectors, threshold: float) -> dict[tuple[int, int], float]:
    scores = {
        (i, j): float(rows[i].astype(np.float64) @ rows[j].astype(np.float64))
        for i, j in combinations(range(len(rows)), 2)
    }
    return {pair: score for pair, score in scores.items() if score >= threshold}


@pytest.mark.parametrize("cells", [1, 700, 2**24])
def test_pairs_are_those_of_brute_force_however_the_blocks_are_cut(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "_BLOCK_CELLS", cells)
    rows = clustered(150, 12, seed=5, clusters=9)
    pairs, scores = near_pairs(rows, 0.6)
    expected = brute(rows, 0.6)
    assert 200 < len(expected) < 5000
    assert set(map(tuple, pairs.tolist())) == set(expected)
    np.testing.assert_allclose(scores, [expected[i, j] for i, j in pairs.tolist()], atol=1e-6)
    assert (np.diff(scores) <= 0).all()


def test_of_a_crowd_the_strongest_pairs_are_kept() -> None:
    """300 rows on a narrow arc: the nearer by number, the more alike."""
    angles = np.linspace(0, 0.1, 300)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    pairs, _ = near_pairs(rows, 0.9)
    of_first = [j for i, j in pairs.tolist() if i == 0]
    assert len(of_first) == 50
    assert max(of_first) < 80  # neighbours on the arc, as far as float32 tells them apart


def test_nothing_is_like_nothing() -> None:
    for rows in (np.eye(4, dtype=np.float32), np.ones((1, 1), np.float32), np.ones((0, 3))):
        pairs, scores = near_pairs(np.asarray(rows, np.float32), 0.5)
        assert pairs.shape == (0, 2)
        assert len(scores) == 0
        assert complete_groups(pairs, lambda first, second: True) == []


def test_a_chain_is_not_one_group() -> None:
    """0 to 3 in a row, each like the next only: the strongest pair, and what is left."""
    assert grouped([(1, 2), (0, 1), (2, 3)]) == [[1, 2]]
    assert grouped([(0, 1), (2, 3), (1, 2)]) == [[0, 1], [2, 3]]


def test_less_alike_may_be_together_but_does_not_join() -> None:
    """A picture with two copies: these are not paired, and may be together; 3 and 4 may, too."""
    allowed = {(0, 1), (0, 2), (1, 2), (3, 4)}
    pairs = np.asarray([[0, 1], [0, 2]])
    assert complete_groups(pairs, all_listed(allowed)) == [[0, 1, 2]]


def all_listed(pairs: set[tuple[int, int]]) -> Together:
    """Whether all pairs across two groups are among these."""

    def together(first: list[int], second: list[int]) -> bool:
        return {(min(a, b), max(a, b)) for a in first for b in second} <= pairs

    return together


def grouped(pairs: list[tuple[int, int]]) -> list[list[int]]:
    array = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return complete_groups(array, all_listed(set(pairs)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True))
def test_groups_are_cliques_that_cannot_be_joined(drawn: list[tuple[int, int]]) -> None:
    pairs = list(dict.fromkeys((min(p), max(p)) for p in drawn if p[0] != p[1]))
    groups = grouped(pairs)
    members = [member for group in groups for member in group]
    assert len(members) == len(set(members))
    for group in groups:
        assert group == sorted(group)
        assert set(combinations(group, 2)) <= set(pairs)
    alone = [[n] for n in range(10) if n not in members]
    for one, other in combinations([*groups, *alone], 2):
        across = {(min(a, b), max(a, b)) for a in one for b in other}
        assert not across <= set(pairs), f"{one} and {other} belong together"


@pytest.mark.parametrize("count", [200, 1200])
def test_a_crowd_is_one_group(count: int) -> None:
    """Far more than the pairs that are kept of a row: these join, and cosines decide."""
    crowd = around(np.eye(32)[0], count, seed=1)
    rows = np.concatenate([crowd, around(np.eye(32)[1], 3, seed=2)])
    pairs, _ = near_pairs(rows, 0.9)
    assert len(pairs) < count * 51
    found = complete_groups(pairs, lambda first, second: all_reach(rows, first, second, 0.9))
    assert found == [list(range(count)), [count, count + 1, count + 2]]


def around(centre: np.ndarray, count: int, seed: int) -> Vectors:
    rows = centre + 0.02 * np.random.default_rng(seed).normal(size=(count, len(centre)))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_two_crowds_that_may_not_be_one_are_not_asked_again_and_again() -> None:
    """Two that grow, with candidates between them all the while."""
    asked = []

    def together(first: list[int], second: list[int]) -> bool:
        asked.append((len(first), len(second)))
        return len({n % 2 for n in first + second}) == 1

    pairs = [(a, b) for a, b in combinations(range(60), 2)]
    found = complete_groups(np.asarray(pairs), together)
    assert found == [list(range(0, 60, 2)), list(range(1, 60, 2))]
    refused = [sizes for sizes in asked if min(sizes) > 4]
    assert len(refused) <= 1
    assert len(asked) < len(pairs) / 3
