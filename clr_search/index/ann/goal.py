"""`Goal`: the recall and memory that a search structure has to reach, and which ones may."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from clr_search.errors import UsageError
from clr_search.index.ann import structures
from clr_search.index.ann.structures import Structure

Serve = Literal["single", "batch", "balanced"]
"""What a structure is to be quick at: one query at a time, many at once, or both."""

RECALL = 0.97
"""Least recall@10 by default, a share of the ten true neighbours."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The recall and memory that a search structure has to reach.

    Attributes
    ----------
    recall : float
        Least recall@10, in (0, 1).
    memory : int or None
        Most bytes that it may take when loaded; None for no limit.
    graph : bool
        Whether the structure is to be FAISS' graph.
    serve : str or None
        What the structure is to be quick at, whatever memory within the limit that takes; None for
        one query at a time, by a structure of little memory.
    """

    recall: float = RECALL
    memory: int | None = None
    graph: bool = False
    serve: Serve | None = None

    def structures(self, count: int, dimension: int) -> list[Structure]:
        """Returns the structures that may serve `count` vectors of length `dimension`.

        The list is empty where nothing fits the memory.

        Examples
        --------
        >>> [str(structure) for structure in Goal(graph=True).structures(1_000_000, 128)]
        ['HNSW16']
        """
        graphs = self.serve is not None
        return structures.choose(count, dimension, self.memory, graph=self.graph, graphs=graphs)


def that_fit(count: int, dimension: int, goal: Goal) -> list[Structure]:
    """Returns the structures that may serve `count` vectors within the memory of the goal.

    Raises
    ------
    UsageError
        If nothing fits the memory; the error names the least memory that would do.

    Examples
    --------
    >>> [str(structure) for structure in that_fit(1000, 128, Goal())]
    ['exact']
    """
    fitting = goal.structures(count, dimension)
    if not fitting:
        unbounded = replace(goal, memory=None).structures(count, dimension)
        least = min(s.bytes_for(count, dimension) for s in unbounded)
        raise UsageError(
            f"No search structure over {count:,} items fits into {goal.memory:,} bytes.",
            f"The smallest takes {least:,}.",
        )
    return fitting
