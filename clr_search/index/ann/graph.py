"""Graph indexes: a search walks from vector to vector, nearer and nearer to the query."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import SELECTION_MARGIN, SLACK, Ann, Effort, Selector
from clr_search.index.ann.mapped_vectors import MappedVectors

_TUNED_FOR = 10
"""Number of neighbours that the effort is tuned for; more of them need more effort."""

_STEP = 16
"""About what one step in a graph costs, in dot products with vectors that are read in order."""


class Graph(Ann):
    """A graph over the mapped vectors.

    A selection is applied to the candidates of a search, since FAISS, given one, stops at the
    nearest vectors, whether they are selected or not, and other libraries know none. Where a search
    would cost more than scoring all vectors, all are scored.

    Attributes
    ----------
    trusted : float
        Share of what a walk returns that lies so near that little is missing between it and the
        query. The others tell nothing of what is nearest in a selection.
    """

    trusted: ClassVar[float] = 1.0

    def __init__(self, index: Any, vectors: MappedVectors, probes: int, width: float) -> None:
        super().__init__(index, vectors, probes, width, max(len(vectors.ids) // _STEP, 1))

    @abstractmethod
    def walk(
        self, rows: NDArray[np.float32], fetched: int, effort: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns positions and products of the nearest vectors that a walk through it meets.

        They come about in order, since a library may order them by its own estimates; -1 and -inf
        stand at the end of a row where fewer were met.

        Parameters
        ----------
        rows : float32 array, shape (Q, D)
            Unit vectors, in one piece of memory.
        fetched : int
            Number of vectors to return for each query.
        effort : int
            Number of vectors that a walk keeps, at least `fetched`.
        """

    def scored_for(self, wanted: int) -> int:
        """Returns how many candidates are scored to find `wanted` neighbours."""
        return min(wanted + SLACK, self.count)

    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """Returns the effort, which grows with `wanted` and as the selection gets smaller."""
        scored = self.scored_for(wanted)
        probes = max(self.probes, math.ceil(self.probes * wanted / _TUNED_FOR), scored)
        if among is None:
            return Effort(scored, scored, probes, min(wanted, self.count))
        scored = min(scored, among.count)
        probes = SELECTION_MARGIN * probes * self.count // max(among.count, 1)
        return Effort(scored, scored, probes, scored)

    def candidates(
        self,
        queries: NDArray[np.float32],
        k: int,
        scored: int,
        probes: int,
        among: Selector | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns positions and products of approximate neighbours; see `Ann.candidates`."""
        effort = max(probes, scored)
        if effort >= self.most_probes:
            return self.scan(queries, k, among)
        fetched = k if among is None else effort
        rows = np.ascontiguousarray(queries)
        positions, products = self.walk(rows, fetched, effort)
        if among is None:
            return positions, products
        return _selected(positions, products, among, k, max(k, int(self.trusted * fetched)))


class HNSW(Graph):
    """A hierarchical navigable small world (arXiv 1603.09320); its FAISS file holds only links."""

    def __init__(self, index: Any, vectors: MappedVectors, probes: int, width: float) -> None:
        super().__init__(index, vectors, probes, width)
        # A loaded graph has no vectors; one that is being built has a copy of its own.
        if index.storage is None:
            index.own_fields, index.storage = False, self._exact
        self._parameters = lru_cache(64)(_parameters)

    def serialized(self) -> NDArray[np.uint8]:
        """Returns the bytes that FAISS writes, without the mapped vectors."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index, faiss.IO_FLAG_SKIP_STORAGE)
        return data

    def walk(
        self, rows: NDArray[np.float32], fetched: int, effort: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns positions and products of the nearest vectors that a walk through it meets."""
        products, positions = self._index.search(rows, fetched, params=self._parameters(effort))
        return positions, products


def _selected(
    positions: NDArray[np.int64],
    products: NDArray[np.float32],
    among: Selector,
    k: int,
    near: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the first k selected of the `near` nearest in each row; -1 and -inf fill a row."""
    order = np.argsort(-products, axis=1, kind="stable")[:, :near]
    positions = np.take_along_axis(positions, order, axis=1)
    chosen = (positions >= 0) & among.counted[positions]
    first = np.argsort(~chosen, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(np.where(chosen, positions, -1), first, axis=1)
    kept = np.take_along_axis(order, first, axis=1)
    return best, np.where(best < 0, -np.inf, np.take_along_axis(products, kept, axis=1))


def _parameters(effort: int) -> Any:
    """Returns the search parameters of FAISS for this effort."""
    import faiss

    parameters: Any = faiss.SearchParametersHNSW()  # type: ignore[attr-defined]  # missing in the stubs
    parameters.efSearch = effort
    return parameters
