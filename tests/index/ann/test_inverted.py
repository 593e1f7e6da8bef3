"""Cells and codes: what they find, and what quantisation hides."""

from __future__ import annotations

import numpy as np
import pytest

from clr_search.index.ann import structures
from tests.index.ann.made import ROWS, kept, loaded, made


@pytest.mark.parametrize("kind", structures.KINDS)
def test_candidates_are_ordered_by_the_stored_vectors(kind: str) -> None:
    """All of them asked for, from all cells: the exact ranking, whatever the codes."""
    index = loaded(made(kind=kind))
    near = index.candidates(ROWS[:40], 15, 4000, 64)[0]
    exact = np.argsort(-(ROWS[:40] @ kept().rows(slice(None)).T), axis=1)[:, :15]
    scores = np.take_along_axis(ROWS[:40] @ ROWS.T, near, axis=1)
    assert (np.diff(scores, axis=1) < 1e-3).all()
    assert np.mean([len(set(a) & set(b)) for a, b in zip(near, exact, strict=True)]) > 14.5


def test_all_cells_visited_find_all_but_what_quantisation_hides() -> None:
    near = loaded(made()).candidates(ROWS[:20], 4000, 4000, 64)[0]
    assert all(sorted(row.tolist()) == list(range(4000)) for row in near)


@pytest.mark.parametrize("count", [11, 40])
def test_fewer_vectors_than_neighbours_and_cells(count: int) -> None:
    built = made(ROWS[:count], cells=2)
    assert built.recall == 1
    assert loaded(built, ROWS[:count]).count == count


def test_equal_vectors_do_not_disturb() -> None:
    built = made(np.repeat(ROWS[:1], 500, axis=0), cells=8)
    assert built.recall == 1
