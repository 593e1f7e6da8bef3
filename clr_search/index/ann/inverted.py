"""Inverted files: candidates by coarse codes, scored again on the stored vectors.

FAISS does both: in Python the second took several times as long as all the rest.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import AROUND, SLACK, Ann, Effort, Found, Selector
from clr_search.index.ann.mapped_vectors import Stored

_VISITED = 16
"""Least items visited for each candidate: probes are tuned for ten neighbours, and where hundreds
are wanted they lie in more cells."""

_SELECTED = 8
"""Times the usual candidates of a selection."""


def candidates(k: int) -> int:
    """How many to ask FAISS for where k are wanted, so that scoring again puts the order right."""
    return 4 * k + 16


class InvertedFile(Ann):
    """Cells of like vectors, of which a query visits some; codes in them. See `ann.KINDS`."""

    def __init__(self, index: Any, held: Stored, probes: int, width: float) -> None:
        import faiss

        super().__init__(index, held, probes, width, int(index.nlist))
        self._refined = faiss.IndexRefine(index, self._exact)
        self._usual = lru_cache(64)(_refining)  # making them takes a tenth of a search

    def centroids(self) -> NDArray[np.float32]:
        """Of the cells, shape (cells, D)."""
        found: NDArray[np.float32] = self._index.quantizer.reconstruct_n(0, self.cells)
        return found

    def serialized(self) -> NDArray[np.uint8]:
        """See `Ann.serialized`."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return data

    def asked_for(self, wanted: int) -> int:
        """See `Ann.asked_for`."""
        return min(round(candidates(wanted) * self.width), self.count)

    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """See `Ann.effort`.

        Where the nearest are gone, the cells around a query hold a few others, and the nearest of
        those that are left are elsewhere. So there must be many times the usual candidates in the
        cells.
        """
        asked = self.asked_for(wanted)
        least = math.ceil(self.cells * _VISITED * asked / max(self.count, 1))
        probes = max(self.probes, least)
        if among is None:
            return Effort(min(wanted + SLACK, asked), asked, probes, min(wanted, self.count))
        probes = AROUND * probes * self.count // max(among.count, 1)
        asked = min(_SELECTED * asked, among.count)
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
        effort = max(asked, k) / k, min(probes, self.cells)
        made = self._usual(*effort) if among is None else _refining(*effort, among)
        products, places = self._refined.search(np.ascontiguousarray(queries), k, params=made)
        return places, products


def _refining(k_factor: float, probes: int, among: Selector | None = None) -> Any:
    """As FAISS takes them."""
    import faiss

    visit = faiss.SearchParametersIVF()
    visit.nprobe = probes
    if among is not None:
        visit.sel = among.selector
    parameters = faiss.IndexRefineSearchParameters()
    parameters.k_factor = k_factor
    parameters.base_index_params = visit
    return parameters
