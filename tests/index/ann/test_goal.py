"""Which structures may serve for a goal."""

from __future__ import annotations

import pytest

from clr_search.errors import UsageError
from clr_search.index.ann.choosing.tuning import select
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.ann.structures import GRAPH, Structure
from tests.index.ann.made import kept


def test_a_small_collection_is_searched_exactly() -> None:
    assert select(kept(), Goal()) == (Structure(0), [])


def test_the_least_memory_that_anything_takes_is_named() -> None:
    sizes = [one.bytes_for(100_000, 64) for one in that_fit(100_000, 64, Goal())]
    assert that_fit(100_000, 64, Goal(memory=max(sizes))) == that_fit(100_000, 64, Goal())
    with pytest.raises(UsageError, match=f"The smallest takes {min(sizes):,}"):
        that_fit(100_000, 64, Goal(memory=min(sizes) - 1))


def test_a_graph_is_chosen_by_its_goal_alone() -> None:
    assert that_fit(100_000, 64, Goal(graph=True)) == [Structure(0, GRAPH)]
    assert that_fit(100, 64, Goal(graph=True)) == [Structure(0)]
