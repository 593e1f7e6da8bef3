"""Inverted files: candidates are found by coarse codes, and scored again on the mapped vectors.

FAISS does both, since scoring in Python took several times as long as the rest of a search.
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
"""Least number of items visited for each candidate: probes are tuned for ten neighbours, and
hundreds of them lie in more cells."""

_SELECTED = 8
"""Factor on the number of candidates where a search is restricted to a selection."""


def usual_candidates(k: int) -> int:
    """Returns how many candidates are scored again, so that the nearest k are in the right order.

    Examples
    --------
    >>> usual_candidates(10)
    56
    """
    return 4 * k + 16


class InvertedFile(Ann):
    """An index of cells of similar vectors, of which a query visits some.

    The vectors of a cell are kept as short codes; `structures.KINDS` lists them.
    """

    def __init__(self, index: Any, vectors: MappedVectors, probes: int, width: float) -> None:
        import faiss

        super().__init__(index, vectors, probes, width, int(index.nlist))
        self._refined = faiss.IndexRefine(index, self._exact)
        self._parameters = lru_cache(64)(_parameters)  # making them takes a tenth of a search

    def centroids(self) -> NDArray[np.float32]:
        """Returns the centroids of the cells: float32, shape (cells, D)."""
        rows: NDArray[np.float32] = self._index.quantizer.reconstruct_n(0, self.most_probes)
        return rows

    def serialized(self) -> NDArray[np.uint8]:
        """Returns the bytes that FAISS writes, without the mapped vectors."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return data

    def scored_for(self, wanted: int) -> int:
        """Returns how many candidates are scored to find `wanted` neighbours."""
        return min(round(usual_candidates(wanted) * self.width), self.count)

    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """Returns the effort, with enough probes that the cells hold many times the candidates.

        Where the nearest items are removed or filtered out, the cells around a query hold few of
        the others, and the nearest of those may lie in other cells.
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
        """Returns positions and products of approximate neighbours; see `Ann.candidates`."""
        rows = np.ascontiguousarray(queries)
        effort = max(scored, k) / k, min(probes, self.most_probes)
        cached = among is None
        parameters = self._parameters(*effort) if cached else _parameters(*effort, among)
        products, positions = self._refined.search(rows, k, params=parameters)
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
