"""How any structure is searched: over the mapped vectors, among those that count."""

from __future__ import annotations

import numpy as np

from clr_search.index.ann.base import Selector
from clr_search.index.ann.structures import load
from tests.index.ann.made import ROWS, kept, loaded, made


def test_the_stored_vectors_are_not_copied() -> None:
    """The view is of the array itself: what is written there is what FAISS sees."""
    held = kept()
    index = load(made().data, held, 64)
    held.values[3999] = ROWS[0].astype(np.float16)
    held.values[0] = 0
    near = index.candidates(ROWS[:1], 4000, 4000, 64)[0][0]
    assert near[0] == 3999


def test_only_the_allowed_are_found() -> None:
    allowed = np.arange(4000) % 7 == 0
    near = loaded(made()).candidates(ROWS[:1], 50, 100, 64, Selector(allowed))[0][0]
    assert (near >= 0).all()
    assert allowed[near].all()
    few = loaded(made()).candidates(ROWS[:1], 600, 600, 64, Selector(allowed))[0][0]
    assert sorted(few[:572].tolist()) == np.flatnonzero(allowed).tolist()
    assert (few[572:] == -1).all()
