"""Which structure, how many cells, how many candidates: measured, not guessed.

On a sample of the collection every structure that fits the memory is built, and set to the least
effort that reaches the recall; the one that then answers quickest is built over everything, and set
again. Recall is counted against exact neighbours, on items that were not used for setting it. The
time is that of one search after the other, scoring the candidates included, since coarser codes
need more of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann import structures
from clr_search.index.ann.base import Ann
from clr_search.index.ann.goal import Goal, that_fit
from clr_search.index.ann.graph import Graph
from clr_search.index.ann.inverted import InvertedFile
from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.structures import GRAPH, Structure, fill, link

_MARGIN = 0.007  # beyond the goal, since what is tuned on some queries does worse on others
_SAMPLE = 32_768
_QUERIES = 2048  # half of them to tune on, half to measure with
_FEWER = 384  # to choose a structure with, on the sample
_TIMED, _ROUNDS = 64, 3
_NEIGHBOURS = 10
_OF_CELLS = 16  # of all cells are visited at the first try: about what is needed in the end
_GRAPH_FIRST = 32  # the same for a graph
_TIE = 2e-6  # of products in float32, summed in another order


@dataclass(frozen=True, slots=True)
class Tried:
    """A structure on the sample.

    Attributes
    ----------
    kind : str
        Of `ann.KINDS`.
    bytes_per_vector : float
        In memory.
    recall : float
        Recall@10 at the least effort that reaches the goal, or at the greatest.
    milliseconds : float
        Of one search, in the median.
    reached : bool
        Whether the recall reached that of the goal.
    """

    kind: str
    bytes_per_vector: float
    recall: float
    milliseconds: float
    reached: bool


@dataclass(frozen=True, slots=True)
class Built:
    """A structure over everything, with its settings and what was measured.

    Attributes
    ----------
    data : uint8 array
        The serialised FAISS index.
    structure : Structure
        The structure that was built.
    probes, width : int, float
        Cells a query visits, and how many times the usual candidates it asks for.
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
    """The structure that answers quickest on a sample, and what was tried.

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
    truth, tried, centroids = _Truth.of(sample, seed, _FEWER), [], None
    for structure in fitting:
        found, made = _try(structure, sample, goal, count, seed, truth, centroids)
        centroids = made.centroids()
        tried.append(found)
    best = min(range(len(tried)), key=lambda at: _rank(tried[at]))
    return fitting[best], tried


def _rank(found: Tried) -> tuple[bool, float]:
    """What reaches the goal before what does not; of those the quickest, of these the best."""
    return not found.reached, found.milliseconds if found.reached else -found.recall


def _try(
    structure: Structure,
    sample: MappedVectors,
    goal: Goal,
    total: int,
    seed: int,
    truth: _Truth,
    centroids: NDArray[np.float32] | None,
) -> tuple[Tried, InvertedFile]:
    count, dimension = sample.values.shape
    small = structure._replace(cells=structures.cells_for(count))
    made = fill(sample, small, seed=seed, centroids=centroids)
    trial = _Trial(made, truth)
    _set(trial, small, goal)
    recall, _ = trial.recall(truth.measured)
    seconds = trial.seconds()
    each = structure.bytes_for(total, dimension) / total
    found = Tried(structure.kind, round(each, 1), recall, 1e3 * seconds, recall >= goal.recall)
    return found, made


def build(vectors: MappedVectors, structure: Structure, goal: Goal, *, seed: int = 0) -> Built:
    """Train, fill and tune a structure over everything.

    Parameters
    ----------
    vectors : MappedVectors
        The vectors of the collection.
    structure : Structure
        An inverted file or a graph.
    goal : Goal
        Recall and memory that the structure has to reach.
    seed : int
        Of the samples that are trained, tuned and measured on.
    """
    if structure.kind == GRAPH:
        return _build_graph(vectors, structure, goal)
    made = fill(vectors, structure, seed=seed)
    trial = _Trial(made, _Truth.of(vectors, seed, _QUERIES))
    _set(trial, structure, goal)
    recall, first = trial.recall(trial.truth.measured)
    return Built(made.serialized(), structure, made.probes, made.width, recall, first)


def held_back(count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Numbers of the vectors, ascending, that a graph is tuned with, and that must stand last.

    A graph is built to find what is in it: with half the effort that a new query needs, its own
    items already find 98 % of their neighbours. So these are linked only when it has been tuned.
    """
    generator = np.random.default_rng(seed + 1)
    return np.sort(generator.choice(count, _held_back_of(count), replace=False))


def _held_back_of(count: int) -> int:
    return min(_QUERIES, count // 10)


def _build_graph(vectors: MappedVectors, structure: Structure, goal: Goal) -> Built:
    """See `build`; the vectors that are `held_back` stand last."""
    within = len(vectors.ids) - _held_back_of(len(vectors.ids))
    inside, outside = vectors.subset(slice(0, within)), vectors.subset(slice(within, None))
    index = link(inside)
    mixed = np.random.default_rng(0).permutation(len(outside.ids))
    trial = _Trial(Graph(index, inside, 1, 1), _Truth.within(inside, outside.rows(mixed)))
    _set(trial, structure, goal)
    recall, first = trial.recall(trial.truth.measured)
    link(outside, index)
    least = trial.ann.scored_for(_NEIGHBOURS)  # which every search looks at
    made = Graph(index, vectors, max(trial.ann.probes, least), 1)
    return Built(made.serialized(), structure, made.probes, made.width, recall, first)


def _set(trial: _Trial, structure: Structure, goal: Goal) -> None:
    """Set the least effort that reaches the goal: for each width the probes, then the quickest."""
    wanted, index = min(goal.recall + _MARGIN, 1.0), trial.ann
    found: list[tuple[bool, float, float, int]] = []
    graph = structure.kind == GRAPH
    first = _GRAPH_FIRST if graph else max(1, index.most_probes // _OF_CELLS)
    index.probes = min(first, index.most_probes)
    for width in (1.0,) if graph else structures.KINDS[structure.kind].widths:
        index.width = width
        index.probes, reached = _least_probes(trial, wanted, index.probes)
        effort = trial.seconds() if reached else -trial.recall(trial.truth.tuned)[0]
        found.append((not reached, effort, width, index.probes))
    _, _, index.width, index.probes = min(found)


def _least_probes(trial: _Trial, wanted: float, first: int) -> tuple[int, bool]:
    """Finds the least effort that reaches a recall, and says whether any does.

    The search begins with a guess, doubles or halves it, and then halves the last step three times.

    All cells, where even they do not do.
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

    positions: NDArray[np.int64]  # of the queries, if they are items; else -1
    queries: NDArray[np.float32]
    scores: NDArray[np.float32]  # of the ten true neighbours, ascending

    @classmethod
    def of(cls, vectors: MappedVectors, seed: int, most: int) -> _Truth:
        """Takes a random sample of the items as queries, at most so many."""
        generator = np.random.default_rng(seed + 1)
        count = len(vectors.ids)
        asked = generator.choice(count, min(count, most), replace=False)
        return cls.within(vectors, vectors.rows(asked), asked)

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

        asked = np.full(len(queries), -1) if positions is None else positions
        best = np.full((len(queries), _NEIGHBOURS), -np.inf, dtype=np.float32)
        for start, rows in vectors.chunks():
            near = min(_NEIGHBOURS + 1, len(rows))
            scores, found = faiss.knn(queries, rows, near, metric=faiss.METRIC_INNER_PRODUCT)
            scores[found + start == asked[:, None]] = -np.inf  # none is its own neighbour
            best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -_NEIGHBOURS:]
        return cls(asked, queries, best)

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
    """A structure, and what it should find."""

    ann: Ann
    truth: _Truth

    def recall(self, part: slice) -> tuple[float, float]:
        """Recall@10 and recall@1 as the structure is set; ties count as found."""
        index, truth = self.ann, self.truth
        wanted = _NEIGHBOURS + 1  # itself being the first
        asked = index.scored_for(wanted)
        positions, products = index.candidates(truth.queries[part], wanted, asked, index.probes)
        products[(positions < 0) | (positions == truth.positions[part][:, None])] = -np.inf
        scores = products * index.vectors.scale[positions]
        true = truth.scores[part]
        hits = np.minimum((scores >= true[:, :1] - _TIE).sum(axis=1), _NEIGHBOURS)
        first = (scores >= true[:, -1:] - _TIE).any(axis=1)
        return float(hits.mean() / _NEIGHBOURS), float(first.mean())

    def seconds(self) -> float:
        """Median time of one search, in the quickest of some rounds."""
        index, rounds = self.ann, []
        asked = index.scored_for(_NEIGHBOURS)
        for _ in range(_ROUNDS):
            taken = []
            for query in self.truth.queries[:_TIMED]:
                began = time.perf_counter()
                index.candidates(query[None], _NEIGHBOURS, asked, index.probes)
                taken.append(time.perf_counter() - began)
            rounds.append(float(np.median(taken)))
        return min(rounds)
