"""Graphs: a search walks from vector to vector, nearer and nearer to the query."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import AROUND, SLACK, Ann, Effort, Found, Selector
from clr_search.index.ann.mapped_vectors import Stored

_TUNED_FOR = 10
"""Neighbours that the effort is tuned for."""

_STEP = 16
"""About what a step of a graph costs, in products with vectors one after the other."""


class Graph(Ann):
    """A hierarchical navigable small world (arXiv 1603.09320) over the stored vectors themselves.

    Its file has the links alone. A selection is made of what a search has met, since FAISS, given
    one, stops where the nearest are, whether they are of it or not. Where a search would cost more
    than scoring all vectors, they are scored.
    """

    def __init__(self, index: Any, held: Stored, probes: int, width: float) -> None:
        super().__init__(index, held, probes, width, max(int(index.ntotal) // _STEP, 1))
        if index.storage is None:  # it was loaded: while it is built, it has a copy of its own
            index.own_fields, index.storage = False, self._exact
        self._usual = lru_cache(64)(_walking)

    def serialized(self) -> NDArray[np.uint8]:
        """See `Ann.serialized`."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index, faiss.IO_FLAG_SKIP_STORAGE)
        return data

    def asked_for(self, wanted: int) -> int:
        """See `Ann.asked_for`."""
        return min(wanted + SLACK, self.count)

    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """See `Ann.effort`."""
        asked = self.asked_for(wanted)
        probes = max(self.probes, math.ceil(self.probes * wanted / _TUNED_FOR), asked)
        if among is None:
            return Effort(asked, asked, probes, min(wanted, self.count))
        asked = min(asked, among.count)
        probes = AROUND * probes * self.count // max(among.count, 1)
        return Effort(asked, asked, probes, asked)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        asked: int,
        probes: int,
        among: Selector | None = None,
    ) -> Found:
        """See `Ann.search`."""
        effort = max(probes, asked)
        if effort >= self.cells:
            return self.exact(queries, k, among)
        met = k if among is None else effort
        rows = np.ascontiguousarray(queries)
        products, places = self._index.search(rows, met, params=self._usual(effort))
        return (places, products) if among is None else _selected(places, products, among, k)


def _selected(
    places: NDArray[np.int64], products: NDArray[np.float32], among: Selector, k: int
) -> Found:
    """The first k of a selection in each row, -1 where there are fewer."""
    chosen = (places >= 0) & among.kept[places]
    first = np.argsort(~chosen, axis=1, kind="stable")[:, :k]
    places = np.where(chosen, places, -1)
    return np.take_along_axis(places, first, axis=1), np.take_along_axis(products, first, axis=1)


def _walking(effort: int) -> Any:
    """As FAISS takes them."""
    import faiss

    parameters: Any = faiss.SearchParametersHNSW()  # type: ignore[attr-defined]  # of its stubs
    parameters.efSearch = effort
    return parameters
