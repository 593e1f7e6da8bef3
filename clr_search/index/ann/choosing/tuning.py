"""Chooses a search structure and its effort by measurements on the collection itself.

On a sample of the collection every structure that fits the memory is built, and set to the least
effort that reaches the recall; the one that is then expected to answer quickest over everything
(`Tried.growth`) is built so, and set again. Recall is counted against exact neighbours, on items
that were not used for setting the effort. Time includes scoring the candidates, since coarser codes
need more of them; it is measured for one search after the other and, where the goal asks for it,
for many at once. Structures are timed in turn, round after round, since a machine that is busy in
one second and not in the next would else decide for them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.ann import structures
from clr_search.index.ann.base import Ann
from clr_search.index.ann.choosing.trial import NEIGHBOURS, Trial, Truth
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.ann.graph import HNSW, Graph
from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.quantised import QuantisedGraph
from clr_search.index.ann.structures import GRAPH, GRAPHS, Structure, fill, link

_MARGIN = (
    0.007  # recall beyond the goal, since the effort is tuned on some queries and used for all
)
_SAMPLE = 32_768  # items that each structure is tried on
_QUERIES = 2048  # queries over everything: half to tune the effort on, half to measure recall with
_FEWER = 384  # queries on the sample, where structures only have to be compared
_TURNS = 5  # rounds in which structures are timed against each other; the quickest counts, too
_OF_CELLS = 16  # the first try visits one cell in 16, about what is needed in the end
_GRAPH_FIRST = 32  # efSearch of the first try with a graph, for the same reason


@dataclass(frozen=True, slots=True)
class Tried:
    """A structure that was tried on the sample, and what was measured.

    Attributes
    ----------
    kind : str
        A key of `structures.KINDS`, or one of `structures.GRAPHS`.
    bytes_per_vector : float
        Memory that it takes for each vector of the whole collection.
    recall : float
        Recall@10 at the least effort that reaches the goal, or at the greatest effort, of other
        queries than those that the effort was set by.
    milliseconds : float
        Median time of one search.
    reached : bool
        Whether an effort reached the goal and `_MARGIN` on the queries that it was set by. The
        others are too few to decide: by them, the quickest structure over 143,000 vectors was once
        thrown away for a recall of 0.968, which over everything was 0.976.
    batch_milliseconds : float or None
        Time of a search among many at once; None where the goal does not ask for it.
    growth : float
        Factor by which a search of the whole collection is expected to take longer: the square root
        of how much larger it is for an inverted file, whose cells grow as their number does, and
        the ratio of the logarithms for a graph.
    """

    kind: str
    bytes_per_vector: float
    recall: float
    milliseconds: float
    reached: bool
    batch_milliseconds: float | None = None
    growth: float = 1.0

    @property
    def name(self) -> str:
        """The kind as it is called with its structure, such as ``"IVF,PQfs"``."""
        return self.kind if self.kind in GRAPHS else f"IVF,{self.kind}"

    def cost(self, goal: Goal) -> float:
        """Returns the time by which the goal ranks it, in milliseconds, over everything."""
        single, batch = self.milliseconds, self.batch_milliseconds
        if batch is None or goal.serve == "single":
            return single * self.growth
        return self.growth * (batch if goal.serve == "batch" else math.sqrt(single * batch))


@dataclass(frozen=True, slots=True)
class Built:
    """A structure over all vectors, with its settings and what was measured.

    Attributes
    ----------
    data : uint8 array
        The serialised FAISS index.
    structure : Structure
        The structure that was built.
    probes, width : int, float
        Cells a query visits, or efSearch of a graph, and the factor on its candidates.
    recall, recall_at_1 : float
        Share of the ten true neighbours, and of the nearest one, that are found.
    """

    data: NDArray[np.uint8]
    structure: Structure
    probes: int
    width: float
    recall: float
    recall_at_1: float


def select(vectors: MappedVectors, goal: Goal, *, seed: int = 0) -> tuple[Structure, list[Tried]]:
    """Returns the structure that is expected to answer quickest, and all that were tried.

    Parameters
    ----------
    vectors : MappedVectors
        The vectors of the collection.
    goal : Goal
        Recall and memory that the structure has to reach.
    seed : int
        Seed of the random sample.

    Raises
    ------
    UsageError
        If nothing fits the memory.
    """
    count, dimension = vectors.values.shape
    fitting = that_fit(count, dimension, goal)
    if len(fitting) == 1:
        return fitting[0], []
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(count, min(count, _SAMPLE), replace=False))
    sample = vectors.subset(chosen)
    found = _tuned_files([s for s in fitting if s.kind not in GRAPHS], sample, goal, seed)
    found += [_tuned_graph(s, sample, goal) for s in fitting if s.kind in GRAPHS]
    tried = _measured(fitting, found, goal, count)
    best = min(range(len(tried)), key=lambda position: _rank(tried[position], goal))
    return fitting[best], tried


def _rank(result: Tried, goal: Goal) -> tuple[bool, float]:
    """Ranks results: the quickest that reaches the goal is first, else that of best recall."""
    return not result.reached, result.cost(goal) if result.reached else -result.recall


class _Tuned(NamedTuple):
    """A structure over the sample at the effort that was set, and whether that reaches the goal."""

    trial: Trial
    reached: bool


def _tuned_files(
    fitting: list[Structure], sample: MappedVectors, goal: Goal, seed: int
) -> list[_Tuned | None]:
    """Builds and tunes inverted files on the sample."""
    truth, centroids = Truth.of(sample, seed, _FEWER), None
    found: list[_Tuned | None] = []
    for structure in fitting:
        small = structure._replace(cells=structures.cells_for(len(sample.ids)))
        index = fill(sample, small, seed=seed, centroids=centroids)
        trial = Trial(index, truth)
        found.append(_Tuned(trial, _set(trial, small, goal)))
        centroids = index.centroids()
    return found


def _tuned_graph(structure: Structure, sample: MappedVectors, goal: Goal) -> _Tuned | None:
    """Builds a graph over most of the sample, and tunes it with the rest; None if it fails."""
    inside = sample.subset(slice(0, len(sample.ids) - _FEWER))
    queries = sample.rows(slice(len(inside.ids), None))
    try:
        graph = _graph(structure, inside)
    except ClrSearchError:
        return None
    trial = Trial(graph, Truth.within(inside, queries))
    return _Tuned(trial, _set(trial, structure, goal))


def _measured(
    fitting: list[Structure], found: list[_Tuned | None], goal: Goal, total: int
) -> list[Tried]:
    """Measures structures that have been set, in turn; `total` is the size of the collection."""
    singly, many = [math.inf] * len(found), [math.inf] * len(found)
    for _ in range(_TURNS):
        for at, one in enumerate(found):
            if one is not None:
                singly[at] = min(singly[at], 1e3 * one.trial.seconds(rounds=1))
                if goal.serve is not None:
                    many[at] = min(many[at], 1e3 * one.trial.seconds_of_many())
    tried = []
    for structure, one, single, batch in zip(fitting, found, singly, many, strict=True):
        if one is None:
            tried.append(Tried(structure.kind, 0.0, 0.0, 0.0, reached=False))
            continue
        recall, _ = one.trial.recall(one.trial.truth.measured)
        count, dimension = one.trial.ann.vectors.values.shape
        size = round(structure.bytes_for(total, dimension) / total, 1)
        growth = _growth(structure, count, total)
        together = None if goal.serve is None else batch
        tried.append(Tried(structure.kind, size, recall, single, one.reached, together, growth))
    return tried


def _growth(structure: Structure, sample: int, total: int) -> float:
    """Returns `Tried.growth` of a structure from a sample to all vectors."""
    if structure.kind in GRAPHS:
        return math.log(total) / math.log(sample)
    return math.sqrt(total / sample)


def _graph(structure: Structure, vectors: MappedVectors) -> Graph:
    """Builds a graph over all vectors, not tuned yet."""
    if structure.kind == GRAPH:
        return HNSW(link(vectors), vectors, 1, 1)
    return QuantisedGraph.build(vectors)


def build(vectors: MappedVectors, structure: Structure, goal: Goal, *, seed: int = 0) -> Built:
    """Trains, fills and tunes a structure over all vectors.

    Parameters
    ----------
    vectors : MappedVectors
        The vectors of the collection.
    structure : Structure
        An inverted file or a graph.
    goal : Goal
        Recall and memory that the structure has to reach.
    seed : int
        Seed of the samples that are used for training, tuning and measuring.
    """
    if structure.kind in GRAPHS:
        return _build_graph(vectors, structure, goal)
    index = fill(vectors, structure, seed=seed)
    trial = Trial(index, Truth.of(vectors, seed, _QUERIES))
    _set(trial, structure, goal)
    recall, first = trial.recall(trial.truth.measured)
    return Built(index.serialized(), structure, index.probes, index.width, recall, first)


def held_back(count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Returns the indices, int64 and ascending, of the vectors that a graph is tuned with.

    A graph is built to find what is in it: with half the effort that a new query needs, its own
    items already find 98 % of their neighbours. So these vectors must stand last, and are added
    only after the graph has been tuned.

    Examples
    --------
    >>> held_back(100).shape
    (10,)
    """
    generator = np.random.default_rng(seed + 1)
    return np.sort(generator.choice(count, _held_back_of(count), replace=False))


def _held_back_of(count: int) -> int:
    """Returns how many of `count` vectors are held back."""
    return min(_QUERIES, count // 10)


def _build_graph(vectors: MappedVectors, structure: Structure, goal: Goal) -> Built:
    """Builds and tunes a graph without the last vectors, those of `held_back`, then with them.

    HNSW takes them in addition; the quantised graph, which takes none once it is built, is built
    twice.
    """
    within = len(vectors.ids) - _held_back_of(len(vectors.ids))
    inside, outside = vectors.subset(slice(0, within)), vectors.subset(slice(within, None))
    order = np.random.default_rng(0).permutation(len(outside.ids))
    partial = _graph(structure, inside)
    trial = Trial(partial, Truth.within(inside, outside.rows(order)))
    _set(trial, structure, goal)
    recall, first = trial.recall(trial.truth.measured)
    least = partial.scored_for(NEIGHBOURS)  # every search looks at that many
    probes = max(partial.probes, least)
    if structure.kind == GRAPH:
        made: Ann = HNSW(link(outside, partial._index), vectors, probes, 1)
    else:
        made = QuantisedGraph.build(vectors)
    return Built(made.serialized(), structure, probes, 1, recall, first)


def _set(trial: Trial, structure: Structure, goal: Goal) -> bool:
    """Sets the quickest pair of width and least number of probes that reaches the goal.

    Returns whether any does; if not, the pair of best recall is set.
    """
    wanted, index = min(goal.recall + _MARGIN, 1.0), trial.ann
    settings: list[tuple[bool, float, float, int]] = []
    graph = structure.kind in GRAPHS
    first = _GRAPH_FIRST if graph else max(1, index.most_probes // _OF_CELLS)
    index.probes = min(first, index.most_probes)
    for width in (1.0,) if graph else structures.KINDS[structure.kind].widths:
        index.width = width
        index.probes, reached = _least_probes(trial, wanted, index.probes)
        effort = trial.seconds() if reached else -trial.recall(trial.truth.tuned)[0]
        settings.append((not reached, effort, width, index.probes))
    missed, _, index.width, index.probes = min(settings)
    return not missed


def _least_probes(trial: Trial, wanted: float, first: int) -> tuple[int, bool]:
    """Finds the least effort that reaches a recall, and says whether any does.

    The search begins with a guess, doubles or halves it, and then halves the last step three times.
    Where no effort reaches the recall, the greatest is returned.
    """
    index = trial.ann

    def enough(probes: int) -> bool:
        index.probes = probes
        return trial.recall(trial.truth.tuned)[0] >= wanted

    high = first
    while not enough(high):
        if high >= index.most_probes:
            return high, False
        high = min(2 * high, index.most_probes)
    while first >= high > 1 and enough(high // 2):
        high //= 2
    low = high // 2
    for _ in range(3):
        middle = (low + high) // 2
        if middle in {low, high}:
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high, True
