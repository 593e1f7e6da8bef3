"""Chooses a search structure and its effort by measurements on the collection itself.

On a sample of the collection every structure that fits the memory is built, and set to the least
effort that reaches the recall; the one that then answers quickest is built over everything, and set
again. Recall is counted against exact neighbours, on items that were not used for setting the
effort. Time includes scoring the candidates, since coarser codes need more of them; it is measured
for one search after the other and, where the goal asks for it, for many at once.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.ann import structures
from clr_search.index.ann.base import Ann
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
_TIMED, _ROUNDS = 64, 3  # queries whose time is measured, and how often; the quickest round counts
_NEIGHBOURS = 10  # neighbours of each query: recall is recall@10
_OF_CELLS = 16  # the first try visits one cell in 16, about what is needed in the end
_MANY = 256  # queries that are asked at once where many at once are timed
_GRAPH_FIRST = 32  # efSearch of the first try with a graph, for the same reason
_TIE = 2e-6  # difference of two float32 products that are equal but summed in another order


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
        Recall@10 at the least effort that reaches the goal, or at the greatest effort.
    milliseconds : float
        Median time of one search.
    reached : bool
        Whether the recall reached that of the goal.
    batch_milliseconds : float or None
        Time of a search among many at once; None where the goal does not ask for it.
    """

    kind: str
    bytes_per_vector: float
    recall: float
    milliseconds: float
    reached: bool
    batch_milliseconds: float | None = None

    def cost(self, goal: Goal) -> float:
        """Returns the time by which the goal ranks it, in milliseconds."""
        single, batch = self.milliseconds, self.batch_milliseconds
        if batch is None or goal.serve == "single":
            return single
        return batch if goal.serve == "batch" else math.sqrt(single * batch)


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
    """Returns the structure that answers quickest on a sample, and all that were tried.

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
    tried = _tried_files([s for s in fitting if s.kind not in GRAPHS], sample, goal, count, seed)
    tried += [_tried_graph(s, sample, goal, count) for s in fitting if s.kind in GRAPHS]
    best = min(range(len(tried)), key=lambda position: _rank(tried[position], goal))
    return next(s for s in fitting if s.kind == tried[best].kind), tried


def _rank(result: Tried, goal: Goal) -> tuple[bool, float]:
    """Ranks results: the quickest that reaches the goal is first, else that of best recall."""
    return not result.reached, result.cost(goal) if result.reached else -result.recall


def _tried_files(
    fitting: list[Structure], sample: MappedVectors, goal: Goal, total: int, seed: int
) -> list[Tried]:
    """Builds and tunes inverted files on the sample; `total` is the size of the collection."""
    count = len(sample.ids)
    truth, tried, centroids = _Truth.of(sample, seed, _FEWER), [], None
    for structure in fitting:
        small = structure._replace(cells=structures.cells_for(count))
        index = fill(sample, small, seed=seed, centroids=centroids)
        trial = _Trial(index, truth)
        _set(trial, small, goal)
        tried.append(_measured(trial, structure, goal, total))
        centroids = index.centroids()
    return tried


def _tried_graph(structure: Structure, sample: MappedVectors, goal: Goal, total: int) -> Tried:
    """Builds a graph over most of the sample, and tunes it with the rest."""
    inside = sample.subset(slice(0, len(sample.ids) - _FEWER))
    queries = sample.rows(slice(len(inside.ids), None))
    try:
        graph = _graph(structure, inside)
    except ClrSearchError:
        return Tried(structure.kind, 0.0, 0.0, 0.0, reached=False)
    trial = _Trial(graph, _Truth.within(inside, queries))
    _set(trial, structure, goal)
    return _measured(trial, structure, goal, total)


def _measured(trial: _Trial, structure: Structure, goal: Goal, total: int) -> Tried:
    """Measures a structure that has been set."""
    recall, _ = trial.recall(trial.truth.measured)
    size = round(structure.bytes_for(total, trial.ann.vectors.values.shape[1]) / total, 1)
    batch = None if goal.serve is None else 1e3 * trial.seconds_of_many()
    reached = recall >= goal.recall
    return Tried(structure.kind, size, recall, 1e3 * trial.seconds(), reached, batch)


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
    trial = _Trial(index, _Truth.of(vectors, seed, _QUERIES))
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
    trial = _Trial(partial, _Truth.within(inside, outside.rows(order)))
    _set(trial, structure, goal)
    recall, first = trial.recall(trial.truth.measured)
    least = partial.scored_for(_NEIGHBOURS)  # every search looks at that many
    probes = max(partial.probes, least)
    if structure.kind == GRAPH:
        made: Ann = HNSW(link(outside, partial._index), vectors, probes, 1)
    else:
        made = QuantisedGraph.build(vectors)
    return Built(made.serialized(), structure, probes, 1, recall, first)


def _set(trial: _Trial, structure: Structure, goal: Goal) -> None:
    """Sets the quickest pair of width and least number of probes that reaches the goal."""
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
    _, _, index.width, index.probes = min(settings)


def _least_probes(trial: _Trial, wanted: float, first: int) -> tuple[int, bool]:
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


@dataclass(frozen=True, slots=True)
class _Truth:
    """Queries, and the scores of their true neighbours."""

    positions: NDArray[np.int64]  # (Q,): the position of each query that is an item; else -1
    queries: NDArray[np.float32]  # (Q, D)
    scores: NDArray[np.float32]  # (Q, 10): scores of the true neighbours, ascending

    @classmethod
    def of(cls, vectors: MappedVectors, seed: int, most: int) -> _Truth:
        """Takes a random sample of at most `most` items as queries."""
        generator = np.random.default_rng(seed + 1)
        count = len(vectors.ids)
        positions = generator.choice(count, min(count, most), replace=False)
        return cls.within(vectors, vectors.rows(positions), positions)

    @classmethod
    def within(
        cls,
        vectors: MappedVectors,
        queries: NDArray[np.float32],
        positions: NDArray[np.int64] | None = None,
    ) -> _Truth:
        """Finds the true neighbours of queries by products with all vectors.

        `positions` are those of the queries among the vectors; without them, no query is an item.
        """
        import faiss

        own = np.full(len(queries), -1) if positions is None else positions
        best = np.full((len(queries), _NEIGHBOURS), -np.inf, dtype=np.float32)
        for start, rows in vectors.chunks():
            k = min(_NEIGHBOURS + 1, len(rows))
            scores, indices = faiss.knn(queries, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
            scores[indices + start == own[:, None]] = -np.inf  # no item is its own neighbour
            best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -_NEIGHBOURS:]
        return cls(own, queries, best)

    @property
    def tuned(self) -> slice:
        """The queries that the effort is tuned on."""
        return slice(0, len(self.positions) // 2)

    @property
    def measured(self) -> slice:
        """The queries that recall is measured with."""
        return slice(len(self.positions) // 2, None)


@dataclass(frozen=True, slots=True)
class _Trial:
    """An index, and the true neighbours that it should find."""

    ann: Ann
    truth: _Truth

    def recall(self, part: slice) -> tuple[float, float]:
        """Returns recall@10 and recall@1 on some of the queries; ties count as found."""
        index, truth = self.ann, self.truth
        wanted = _NEIGHBOURS + 1  # a query that is an item finds itself first
        scored = index.scored_for(wanted)
        positions, products = index.candidates(truth.queries[part], wanted, scored, index.probes)
        products[(positions < 0) | (positions == truth.positions[part][:, None])] = -np.inf
        scores = products * index.vectors.scale[positions]
        true = truth.scores[part]
        hits = np.minimum((scores >= true[:, :1] - _TIE).sum(axis=1), _NEIGHBOURS)
        first = (scores >= true[:, -1:] - _TIE).any(axis=1)
        return float(hits.mean() / _NEIGHBOURS), float(first.mean())

    def seconds(self) -> float:
        """Returns the median time of one search in seconds, in the quickest of some rounds."""
        index, rounds = self.ann, []
        scored = index.scored_for(_NEIGHBOURS)
        for _ in range(_ROUNDS):
            times = []
            for query in self.truth.queries[:_TIMED]:
                began = time.perf_counter()
                index.candidates(query[None], _NEIGHBOURS, scored, index.probes)
                times.append(time.perf_counter() - began)
            rounds.append(float(np.median(times)))
        return min(rounds)

    def seconds_of_many(self) -> float:
        """Returns the time of one of many searches that are asked at once, in seconds."""
        index, queries = self.ann, self.truth.queries[:_MANY]
        scored, took = index.scored_for(_NEIGHBOURS), []
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            index.candidates(queries, _NEIGHBOURS, scored, index.probes)
            took.append(time.perf_counter() - began)
        return min(took) / len(queries)
