"""Inverted files: candidates by coarse codes, scored again on the mapped vectors.

FAISS does both: in Python the second took several times as long as all the rest.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import SELECTION_MARGIN, SLACK, Ann, Effort, Selector
from clr_search.index.ann.mapped_vectors import MappedVectors

_VISITED = 16
"""Least items visited for each candidate: probes are tuned for ten neighbours, and where hundreds
are wanted they lie in more cells."""

_SELECTED = 8
"""Times the usual candidates of a selection."""


def usual_candidates(k: int) -> int:
    """Returns how many candidates FAISS scores again where k are wanted, for the right order."""
    return 4 * k + 16


class InvertedFile(Ann):
    """Cells of like vectors, of which a query visits some; their vectors are kept as codes.

    `structures.KINDS` lists the codes.
    """

    def __init__(self, index: Any, vectors: MappedVectors, probes: int, width: float) -> None:
        import faiss

        super().__init__(index, vectors, probes, width, int(index.nlist))
        self._refined = faiss.IndexRefine(index, self._exact)
        self._parameters = lru_cache(64)(_parameters)  # making them takes a tenth of a search

    def centroids(self) -> NDArray[np.float32]:
        """Returns the centroids of the cells, shape (cells, D)."""
        found: NDArray[np.float32] = self._index.quantizer.reconstruct_n(0, self.most_probes)
        return found

    def serialized(self) -> NDArray[np.uint8]:
        """See `Ann.serialized`."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return data

    def scored_for(self, wanted: int) -> int:
        """See `Ann.scored_for`."""
        return min(round(usual_candidates(wanted) * self.width), self.count)

    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """See `Ann.effort`.

        Where the nearest are gone, the cells around a query hold a few others, and the nearest of
        those that are left are elsewhere. So there must be many times the usual candidates in the
        cells.
        """
        scored = self.scored_for(wanted)
        least = math.ceil(self.most_probes * _VISITED * scored / max(self.count, 1))
        probes = max(self.probes, least)
        if among is None:
            return Effort(min(wanted + SLACK, scored), scored, probes, min(wanted, self.count))
        probes = SELECTION_MARGIN * probes * self.count // max(among.count, 1)
        scored = min(_SELECTED * scored, among.count)
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
        effort = max(scored, k) / k, min(probes, self.most_probes)
        made = self._parameters(*effort) if among is None else _parameters(*effort, among)
        products, positions = self._refined.search(np.ascontiguousarray(queries), k, params=made)
        return positions, products


def _parameters(k_factor: float, probes: int, among: Selector | None = None) -> Any:
    """Returns the search parameters of FAISS for this effort."""
    import faiss

    visit = faiss.SearchParametersIVF()
    visit.nprobe = probes
    if among is not None:
        visit.sel = among.selector
    parameters = faiss.IndexRefineSearchParameters()
    parameters.k_factor = k_factor
    parameters.base_index_params = visit
    return parameters
