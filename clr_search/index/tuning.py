"""Which structure, how many cells, how many candidates: measured, not guessed.

On a sample of the collection every structure that fits the memory is built, and set to the least
effort that reaches the recall; the one that then answers quickest is built over everything, and set
again. Recall is counted against exact neighbours, on items that were not used for setting it. The
time is that of one search after the other, scoring the candidates included, since coarser codes
need more of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index import ann
from clr_search.index.ann import Ann, Chunks, Structure, Take, candidates, fill

RECALL = 0.97
"""Least recall@10 where nothing else is asked for."""

_MARGIN = 0.01  # beyond the goal, since what is tuned on some queries does worse on others
_SAMPLE = 32_768
_QUERIES = 512  # half of them to tune on, half to measure with
_TIMED = 64
_NEIGHBOURS = 10
_TIE = 1e-6
_CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Goal:
    """What a structure has to reach.

    Attributes
    ----------
    recall : float
        Least recall@10, in (0, 1).
    memory : int or None
        Most bytes that it may take when loaded.
    """

    recall: float = RECALL
    memory: int | None = None


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
        Whether the recall was the goal's.
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
        What it is.
    probes, width : int
        Cells a query visits, and how many times the usual candidates it asks for.
    recall, recall_at_1 : float
        Share of the ten true neighbours, and of the nearest one, that are found.
    """

    data: NDArray[np.uint8]
    structure: Structure
    probes: int
    width: int
    recall: float
    recall_at_1: float


def that_fit(count: int, dimension: int, goal: Goal) -> list[Structure]:
    """Structures that may serve so many vectors within the memory of the goal.

    Raises
    ------
    UsageError
        If nothing fits.
    """
    found = ann.choose(count, dimension, goal.memory)
    if not found:
        least = min(s.bytes_for(count, dimension) for s in ann.choose(count, dimension))
        raise UsageError(
            f"No search structure over {count:,} items fits into {goal.memory:,} bytes.",
            f"The smallest takes {least:,}.",
        )
    return found


def select(
    take: Take, ids: NDArray[np.int64], dimension: int, goal: Goal, *, seed: int = 0
) -> tuple[Structure, list[Tried]]:
    """The structure that answers quickest on a sample, and what was tried.

    Parameters
    ----------
    take : callable
        Gives vectors of ids.
    ids : int64 array, shape (N,)
        All ids.
    dimension : int
        D.
    goal : Goal
        What it has to reach.
    seed : int
        Of the sample.

    Raises
    ------
    UsageError
        If nothing fits the memory.
    """
    structures = that_fit(len(ids), dimension, goal)
    if len(structures) == 1:
        return structures[0], []
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(ids, min(len(ids), _SAMPLE), replace=False))
    numbers, rows = take(chosen)
    tried = [_try(structure, numbers, rows, goal, len(ids), seed) for structure in structures]
    best = min(range(len(tried)), key=lambda at: _rank(tried[at]))
    return structures[best], tried


def _rank(found: Tried) -> tuple[bool, float]:
    """What reaches the goal before what does not; of those the quickest, of these the best."""
    return not found.reached, found.milliseconds if found.reached else -found.recall


def _try(
    structure: Structure,
    numbers: NDArray[np.int64],
    rows: NDArray[np.float32],
    goal: Goal,
    total: int,
    seed: int,
) -> Tried:
    dimension = rows.shape[1]
    small = structure._replace(cells=ann.cells_for(len(numbers)))

    def chunks() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        for start in range(0, len(numbers), _CHUNK):
            yield numbers[start : start + _CHUNK], rows[start : start + _CHUNK]

    def take(asked: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        places = np.searchsorted(numbers, np.sort(asked))
        return numbers[places], rows[places]

    trial = _Trial.over(chunks, take, numbers, dimension, small, seed)
    _set(trial, small, goal)
    recall, _ = trial.recall(trial.measured)
    seconds = trial.seconds()
    each = structure.bytes_for(total, dimension) / total
    return Tried(structure.kind, round(each, 1), recall, 1e3 * seconds, recall >= goal.recall)


def build(
    chunks: Chunks,
    take: Take,
    ids: NDArray[np.int64],
    dimension: int,
    structure: Structure,
    goal: Goal,
    *,
    seed: int = 0,
) -> Built:
    """Train, fill and tune a structure over everything.

    Parameters
    ----------
    chunks, take : callable
        Access to the vectors.
    ids : int64 array, shape (N,)
        All ids.
    dimension : int
        D.
    structure : Structure
        With at least one cell.
    goal : Goal
        What it has to reach.
    seed : int
        Of the samples that are trained, tuned and measured on.
    """
    trial = _Trial.over(chunks, take, ids, dimension, structure, seed)
    _set(trial, structure, goal)
    recall, first = trial.recall(trial.measured)
    made = trial.ann
    return Built(made.serialized(), structure, made.probes, made.width, recall, first)


def _set(trial: _Trial, structure: Structure, goal: Goal) -> None:
    """Set the least effort that reaches the goal: for each width the probes, then the quickest."""
    wanted, index = min(goal.recall + _MARGIN, 1.0), trial.ann
    found: list[tuple[bool, float, int, int]] = []
    for width in ann.KINDS[structure.kind].widths:
        index.width = width
        index.probes, reached = _least_probes(trial, wanted)
        effort = trial.seconds() if reached else -trial.recall(trial.tuned)[0]
        found.append((not reached, effort, width, index.probes))
    _, _, index.width, index.probes = min(found)


def _least_probes(trial: _Trial, wanted: float) -> tuple[int, bool]:
    """By doubling, and two halvings of the last step; all cells, where even they do not do."""
    index = trial.ann

    def enough(probes: int) -> bool:
        index.probes = probes
        return trial.recall(trial.tuned)[0] >= wanted

    high = 1
    while not enough(high):
        if high >= index.cells:
            return index.cells, False
        high = min(2 * high, index.cells)
    low = high // 2
    for _ in range(2):
        middle = (low + high) // 2
        if middle in {low, high}:
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high, True


@dataclass(frozen=True, slots=True)
class _Trial:
    """A structure, and queries with the scores of their true neighbours, ties counting as found."""

    ann: Ann
    take: Take
    ids: NDArray[np.int64]
    queries: NDArray[np.float32]
    scores: NDArray[np.float32]  # of the ten true neighbours, ascending

    @classmethod
    def over(
        cls,
        chunks: Chunks,
        take: Take,
        ids: NDArray[np.int64],
        dimension: int,
        structure: Structure,
        seed: int,
    ) -> _Trial:
        """Fill the structure, and find the true neighbours of some items on the way."""
        generator = np.random.default_rng(seed + 1)
        asked, queries = take(
            generator.choice(ids, min(len(ids), _QUERIES), replace=False).astype(np.int64)
        )
        shuffled = generator.permutation(len(asked))
        asked, queries = asked[shuffled], queries[shuffled]
        best = np.full((len(asked), _NEIGHBOURS), -np.inf, dtype=np.float32)

        def look(numbers: NDArray[np.int64], rows: NDArray[np.float32]) -> None:
            nonlocal best
            best = _merge(best, queries @ rows.T, asked[:, None] == numbers[None, :])

        made = fill(chunks, take, ids, dimension, structure, seed=seed, look=look)
        return cls(made, take, asked, queries, best)

    @property
    def tuned(self) -> slice:
        """The queries to tune on."""
        return slice(0, len(self.ids) // 2)

    @property
    def measured(self) -> slice:
        """Those to measure with."""
        return slice(len(self.ids) // 2, None)

    def recall(self, part: slice) -> tuple[float, float]:
        """Recall@10 and recall@1 as the structure is set."""
        wanted = candidates(_NEIGHBOURS + 1) * self.ann.width
        found = self.ann.search(self.queries[part], wanted, self.ann.probes)
        numbers, rows = self.take(np.unique(found[found >= 0]))
        place = np.searchsorted(numbers, found).clip(0, len(numbers) - 1)
        hits, first = [], []
        for query, own, near, at, true in zip(
            self.queries[part], self.ids[part], found, place, self.scores[part], strict=True
        ):
            scores = rows[at] @ query
            scores[(near < 0) | (near == own)] = -np.inf
            hits.append(min(int((scores >= true[0] - _TIE).sum()), _NEIGHBOURS))
            first.append(bool((scores >= true[-1] - _TIE).any()))
        return float(np.mean(hits) / _NEIGHBOURS), float(np.mean(first))

    def seconds(self) -> float:
        """Median time of one search: of candidates, and of their scores."""
        taken = []
        for query in self.queries[:_TIMED]:
            began = time.perf_counter()
            count = candidates(_NEIGHBOURS) * self.ann.width
            found = self.ann.search(query[None], count, self.ann.probes)
            self.take(found[found >= 0])[1] @ query
            taken.append(time.perf_counter() - began)
        return float(np.median(taken))


def _merge(
    best: NDArray[np.float32], scores: NDArray[np.float32], own: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Ten greatest scores so far, ascending, a query not being its own neighbour."""
    scores[own] = -np.inf
    both = np.concatenate([best, scores], axis=1)
    return np.sort(np.partition(both, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:], axis=1)
