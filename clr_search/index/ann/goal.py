"""What a search structure has to reach, and which structures may serve for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from clr_search.errors import UsageError
from clr_search.index.ann import structures
from clr_search.index.ann.structures import Structure

RECALL = 0.97
"""Least recall@10 where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a structure has to reach.

    Attributes
    ----------
    recall : float
        Least recall@10, in (0, 1).
    memory : int or None
        Most bytes that it may take when loaded.
    graph : bool
        Whether the structure is to be a graph.
    """

    recall: float = RECALL
    memory: int | None = None
    graph: bool = False

    def structures(self, count: int, dimension: int) -> list[Structure]:
        """That may serve so many vectors; none, where nothing fits the memory."""
        return structures.choose(count, dimension, self.memory, graph=self.graph)


def that_fit(count: int, dimension: int, goal: Goal) -> list[Structure]:
    """Structures that may serve so many vectors within the memory of the goal.

    Raises
    ------
    UsageError
        If nothing fits.
    """
    found = goal.structures(count, dimension)
    if not found:
        unbounded = replace(goal, memory=None).structures(count, dimension)
        least = min(s.bytes_for(count, dimension) for s in unbounded)
        raise UsageError(
            f"No search structure over {count:,} items fits into {goal.memory:,} bytes.",
            f"The smallest takes {least:,}.",
        )
    return found
