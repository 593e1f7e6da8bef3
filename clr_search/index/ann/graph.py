"""Graphs: a search walks from vector to vector, nearer and nearer to the query."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import SELECTION_MARGIN, SLACK, Ann, Effort, Selector
from clr_search.index.ann.mapped_vectors import MappedVectors

_TUNED_FOR = 10
"""Neighbours that the effort is tuned for."""

_STEP = 16
"""About what a step of a graph costs, in products with vectors one after the other."""


class Graph(Ann):
    """A hierarchical navigable small world (arXiv 1603.09320) over the mapped vectors themselves.

    Its file has the links alone. A selection is made of what a search has met, since FAISS, given
    one, stops where the nearest are, whether they are of it or not. Where a search would cost more
    than scoring all vectors, they are scored.
    """

    def __init__(self, index: Any, vectors: MappedVectors, probes: int, width: float) -> None:
        super().__init__(index, vectors, probes, width, max(int(index.ntotal) // _STEP, 1))
        if index.storage is None:  # it was loaded: while it is built, it has a copy of its own
            index.own_fields, index.storage = False, self._exact
        self._parameters = lru_cache(64)(_parameters)

    def serialized(self) -> NDArray[np.uint8]:
        """See `Ann.serialized`."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index, faiss.IO_FLAG_SKIP_STORAGE)
        return data

    def scored_for(self, wanted: int) -> int:
        """See `Ann.scored_for`."""
        return min(wanted + SLACK, self.count)

    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """See `Ann.effort`."""
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
        """See `Ann.candidates`."""
        effort = max(probes, scored)
        if effort >= self.most_probes:
            return self.scan(queries, k, among)
        met = k if among is None else effort
        rows = np.ascontiguousarray(queries)
        products, positions = self._index.search(rows, met, params=self._parameters(effort))
        if among is None:
            return positions, products
        return _selected(positions, products, among, k)


def _selected(
    positions: NDArray[np.int64], products: NDArray[np.float32], among: Selector, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns the first k of a selection in each row, -1 where there are fewer."""
    chosen = (positions >= 0) & among.counted[positions]
    first = np.argsort(~chosen, axis=1, kind="stable")[:, :k]
    positions = np.where(chosen, positions, -1)
    return np.take_along_axis(positions, first, axis=1), np.take_along_axis(products, first, axis=1)


def _parameters(effort: int) -> Any:
    """Returns the search parameters of FAISS for this effort."""
    import faiss

    parameters: Any = faiss.SearchParametersHNSW()  # type: ignore[attr-defined]  # of its stubs
    parameters.efSearch = effort
    return parameters
