"""Approximate nearest neighbours with FAISS: choosing a structure, building, tuning, loading.

Small collections need none: a matrix product over them takes milliseconds and misses nothing.
Larger ones get an inverted file with 8-bit scalar quantisation (IVF,SQ8): quick to build, a quarter
of the memory of float32, and since the few dozen candidates it yields are scored again on the
stored vectors, the quantisation costs next to no recall. What remains to tune is the number of
cells a query visits, and that is set by measurement.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError

EXACT_ITEMS = 50_000
"""Most items searched exactly: at D = 512 a search takes some milliseconds, and reading them from
SQLite in a fresh process a quarter of a second, which is what importing faiss alone costs."""

EXACT_VALUES = 2**25
"""Most values (items × D) searched exactly, 128 MB as float32."""

TARGET_RECALL = 0.95
"""Least recall@10 that the number of probes is tuned to."""

_VISITED = 16
"""Least items visited for each candidate: probes are tuned for ten neighbours, and where hundreds
are wanted they lie in more cells."""

_QUERIES = 512  # half of them to tune on, half to measure with
_TRAIN_PER_CELL = 48  # FAISS warns below 39
_NEIGHBOURS = 10
_TIE = 1e-6

Chunks = Callable[[], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
"""All ids (n,) and unit vectors (n, D), in chunks; may be gone through more than once."""

Take = Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Ids, ascending, and unit vectors of the items asked for."""


class Structure(NamedTuple):
    """An index structure: ``cells`` 0 is the exact scan, which needs no FAISS."""

    cells: int

    def __str__(self) -> str:
        return f"IVF{self.cells},SQ8" if self.cells else "exact"


@dataclass(frozen=True, slots=True)
class Built:
    """A serialised FAISS index, the probes it was tuned to, and its recall@10 on other queries."""

    data: NDArray[np.uint8]
    structure: Structure
    probes: int
    recall: float


def choose(count: int, dimension: int) -> Structure:
    """Structure for `count` vectors of length `dimension`: exact, or 2√N cells as a power of 2."""
    if count <= EXACT_ITEMS and count * dimension <= EXACT_VALUES:
        return Structure(0)
    return Structure(2 ** round(math.log2(2 * math.sqrt(count))))


def candidates(k: int) -> int:
    """How many to ask FAISS for where k are wanted, so that scoring again puts the order right."""
    return 4 * k + 16


def build(
    chunks: Chunks,
    take: Take,
    ids: NDArray[np.int64],
    dimension: int,
    structure: Structure,
    *,
    seed: int = 0,
) -> Built:
    """Train, fill and tune an index.

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
    seed : int
        Of the samples that are trained, tuned and measured on.
    """
    import faiss

    generator = np.random.default_rng(seed)
    sample = generator.choice(ids, min(len(ids), structure.cells * _TRAIN_PER_CELL), replace=False)
    quantizer = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFScalarQuantizer(
        quantizer,
        dimension,
        structure.cells,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )
    index.cp.seed = seed + 1
    index.cp.min_points_per_centroid = 1  # no warning on stderr where the sample is small
    index.train(take(sample)[1])

    asked, queries = take(
        generator.choice(ids, min(len(ids), _QUERIES), replace=False).astype(np.int64)
    )
    shuffled = generator.permutation(len(asked))
    asked, queries = asked[shuffled], queries[shuffled]
    floors = np.full((len(asked), _NEIGHBOURS), -np.inf, dtype=np.float32)
    for numbers, rows in chunks():
        index.add_with_ids(rows, numbers)
        floors = _merge(floors, queries @ rows.T, asked[:, None] == numbers[None, :])
    trial = _Trial(Ann(index, 1), take, asked, queries, floors[:, 0])
    half = len(asked) // 2
    probes = _tune(trial, slice(0, half), structure.cells)
    recall = trial.recall(probes, slice(half, None))
    return Built(faiss.serialize_index(index), structure, probes, recall)


def _merge(
    best: NDArray[np.float32], scores: NDArray[np.float32], own: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Ten greatest scores so far, ascending, a query not being its own neighbour."""
    scores[own] = -np.inf
    both = np.concatenate([best, scores], axis=1)
    return np.sort(np.partition(both, -_NEIGHBOURS, axis=1)[:, -_NEIGHBOURS:], axis=1)


def _tune(trial: _Trial, part: slice, cells: int) -> int:
    """Least power of two that reaches the target, with a margin for the other half of queries."""
    probes = 1
    while probes < cells and trial.recall(probes, part) < TARGET_RECALL + 0.01:
        probes *= 2
    return min(probes, cells)


@dataclass(frozen=True, slots=True)
class _Trial:
    """Queries with the score of their tenth true neighbour, ties counting as found."""

    ann: Ann
    take: Take
    ids: NDArray[np.int64]
    queries: NDArray[np.float32]
    floors: NDArray[np.float32]

    def recall(self, probes: int, part: slice) -> float:
        wanted = candidates(_NEIGHBOURS + 1)
        found = self.ann.search(self.queries[part], wanted, probes)
        numbers, rows = self.take(np.unique(found[found >= 0]))
        place = np.searchsorted(numbers, found).clip(0, len(numbers) - 1)
        scores = np.einsum("qd,qcd->qc", self.queries[part], rows[place])
        scores[(found < 0) | (found == self.ids[part, None])] = -np.inf
        hits = (scores >= self.floors[part, None] - _TIE).sum(axis=1).clip(max=_NEIGHBOURS)
        return float(hits.mean() / _NEIGHBOURS)


class Ann:
    """A loaded FAISS index.

    Parameters
    ----------
    index : faiss.IndexIVF
        Holding our ids.
    probes : int
        Cells a query visits.
    """

    def __init__(self, index: Any, probes: int) -> None:
        self._index = index
        self.probes = probes
        self.cells = int(index.nlist)
        self.count = int(index.ntotal)

    @classmethod
    def load(cls, data: bytes, dimension: int, probes: int) -> Ann:
        """Deserialise bytes whose checksum has been verified.

        Raises
        ------
        ClrSearchError
            If they are no inverted file of this dimension.
        """
        import faiss

        try:
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        except (RuntimeError, MemoryError) as error:
            raise ClrSearchError(f"FAISS cannot read it: {error}") from error
        if not isinstance(index, faiss.IndexIVF) or index.d != dimension:
            raise ClrSearchError(f"it is no inverted file of dimension {dimension}")
        return cls(index, probes)

    def probes_for(self, wanted: int) -> int:
        """Cells to visit where so many candidates are wanted: as tuned, or more."""
        return max(self.probes, math.ceil(self.cells * _VISITED * wanted / max(self.count, 1)))

    def search(
        self,
        queries: NDArray[np.float32],
        count: int,
        probes: int,
        allowed: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Ids of about the nearest.

        Parameters
        ----------
        queries : float32 array, shape (Q, D)
            Of unit length.
        count, probes : int
            How many to look for, and in how many cells.
        allowed : int64 array, optional
            Ids that count.

        Returns
        -------
        int64 array, shape (Q, min(count, N))
            In the order FAISS has them; -1 at the end where the visited cells hold fewer.
        """
        import faiss

        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = min(probes, self.cells)
        if allowed is not None:
            selector = faiss.IDSelectorBatch(allowed)  # a name, to keep it alive in the search
            parameters.sel = selector
        found: NDArray[np.int64] = self._index.search(
            np.ascontiguousarray(queries), min(count, self.count), params=parameters
        )[1]
        return found
