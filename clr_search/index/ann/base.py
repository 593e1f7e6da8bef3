"""`Ann`: a FAISS index as it is searched, over the mapped vectors of a generation.

FAISS numbers vectors by their position in the file of `mapped_vectors`. An inverted file and a
graph differ in what they ask of FAISS (`candidates`) and in how much (`effort`); how a search goes
is the same for both, and stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.neighbours import Neighbours, nearest

SLACK = 6
"""Candidates that are fetched beyond the neighbours wanted. Their products are taken with float16
vectors, whose lengths differ a little from 1, so that the last of them may change places."""

SELECTION_MARGIN = 2
"""Factor on the effort of a search in a selection, on top of the inverse of its share in the whole,
which alone would do only if the selection were spread evenly."""

_NONE = np.empty(0, np.int64)

_MORE_EFFORT = 4
"""Factor by which the effort grows where the search before met too few candidates."""


class Effort(NamedTuple):
    """The amount of work that a search asks of FAISS.

    Attributes
    ----------
    returned : int
        Candidates that come back for each query.
    scored : int
        Candidates that are scored on the mapped vectors, at least `returned`.
    probes : int
        Cells that an inverted file visits, or efSearch of a graph.
    needed : int
        Candidates that must come back; with fewer, the search is made again with more probes.
    """

    returned: int
    scored: int
    probes: int
    needed: int


class Scorer(ABC):
    """The mapped vectors of a generation, on which every vector or some candidates are scored.

    Parameters
    ----------
    vectors : MappedVectors
        The N vectors of length D.

    Attributes
    ----------
    count : int
        N, the number of vectors.
    """

    def __init__(self, vectors: MappedVectors) -> None:
        self._exact = view(vectors)
        self.vectors = vectors
        self.count = len(vectors.ids)

    @abstractmethod
    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        among: Selector | None = None,
        *,
        precise: bool = False,
    ) -> Neighbours:
        """Returns the nearest vectors of each query.

        Parameters
        ----------
        queries : float32 array, shape (Q, D)
            Unit vectors.
        k : int
            Number of neighbours that are wanted.
        among : Selector, optional
            The positions to search; all of them by default.
        precise : bool
            Whether the candidates of a single query are scored once more in float64, so that
            equal vectors have equal scores.

        Returns
        -------
        Neighbours
            At least k columns, if there are so many vectors.
        """

    def exact(
        self,
        queries: NDArray[np.float32],
        k: int,
        among: Selector | None = None,
        *,
        precise: bool = False,
    ) -> Neighbours:
        """Returns the nearest vectors of each query as `search` does, by scoring every vector."""
        return self._scored(queries, *self.scan(queries, k, among), precise=precise)

    def scan(
        self, queries: NDArray[np.float32], k: int, among: Selector | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns positions and products as `candidates` does, by scoring every vector."""
        import faiss

        parameters = faiss.SearchParameters()
        if among is not None:
            parameters.sel = among.selector
        rows = np.ascontiguousarray(queries)
        products, positions = self._exact.search(rows, min(k, self.count), params=parameters)
        return positions, products

    def _scored(
        self,
        queries: NDArray[np.float32],
        positions: NDArray[np.int64],
        products: NDArray[np.float32],
        *,
        precise: bool,
    ) -> Neighbours:
        """Returns the candidates as ids and cosine similarities."""
        if precise and len(queries) == 1:
            chosen = positions[0][positions[0] >= 0]
            rows = self.vectors.rows(chosen)
            return nearest(self.vectors.ids[chosen], rows, queries, max(positions.shape[1], 1))
        ids, scores = self.vectors.ids[positions], products * self.vectors.scale[positions]
        if len(_short(positions, positions.shape[1])):
            absent = positions < 0
            ids[absent], scores[absent] = -1, -np.inf
        return Neighbours(ids, scores)


def _short(positions: NDArray[np.int64], needed: int) -> NDArray[np.int64]:
    """Returns the rows in which less than `needed` positions were met; -1 ends those."""
    if needed == 0 or (len(positions) == 1 and positions.item(needed - 1) >= 0):
        return _NONE
    return np.flatnonzero(positions[:, needed - 1] < 0)


class Ann(Scorer):
    """A loaded FAISS index, and the vectors its candidates are scored on.

    Parameters
    ----------
    index : faiss.Index
        The index; it numbers its vectors as `vectors` does.
    vectors : MappedVectors
        The N vectors of length D that candidates are scored on.
    probes : int
        Tuned effort of a search: cells that an inverted file visits, or efSearch of a graph.
    width : float
        Factor on the usual number of candidates that are scored, at least 1.
    most_probes : int
        The greatest effort: with it, everything is visited.
    """

    def __init__(
        self, index: Any, vectors: MappedVectors, probes: int, width: float, most_probes: int
    ) -> None:
        super().__init__(vectors)
        self._index = index
        self.probes = probes
        self.width = width
        self.most_probes = most_probes

    @abstractmethod
    def serialized(self) -> NDArray[np.uint8]:
        """Returns the bytes that FAISS writes, without the mapped vectors."""

    @abstractmethod
    def scored_for(self, wanted: int) -> int:
        """Returns how many candidates are scored to find `wanted` neighbours."""

    @abstractmethod
    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """Returns the effort that finds `wanted` neighbours among all vectors or a selection."""

    @abstractmethod
    def candidates(
        self,
        queries: NDArray[np.float32],
        k: int,
        scored: int,
        probes: int,
        among: Selector | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns approximate neighbours, by their products with the mapped vectors, in one pass.

        Parameters
        ----------
        queries : float32 array, shape (Q, D)
            Unit vectors.
        k : int
            Number of neighbours to return for each query.
        scored, probes : int
            Number of candidates to score, at least k, and the effort.
        among : Selector, optional
            The positions to search; all of them by default.

        Returns
        -------
        positions : int64 array, shape (Q, k)
            Positions, about the nearest first; -1 at the end of a row where fewer were met.
        products : float32 array, shape (Q, k)
            Dot products with the float16 vectors as stored, whose lengths differ from 1 by
            about 1e-4.
        """

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        among: Selector | None = None,
        *,
        precise: bool = False,
    ) -> Neighbours:
        """Returns the nearest vectors of each query.

        Where removed items or a filter leave too few candidates in the cells visited, more cells
        are visited, in the end all: such a search is slower, and never finds fewer. The parameters
        are those of `Scorer.search`.
        """
        effort = self.effort(k, among)
        arguments = effort.returned, effort.scored
        positions, products = self.candidates(queries, *arguments, effort.probes, among)
        probes = effort.probes
        while probes < self.most_probes:
            incomplete = _short(positions, effort.needed)
            if not len(incomplete):
                break
            probes *= _MORE_EFFORT
            repeated = self.candidates(queries[incomplete], *arguments, probes, among)
            positions[incomplete], products[incomplete] = repeated
        return self._scored(queries, positions, products, precise=precise)


class Selector:
    """The positions that a search is restricted to, in the form that FAISS needs.

    Parameters
    ----------
    counted : bool array, shape (N,)
        Whether the vector at each position may be found.

    Attributes
    ----------
    count : int
        Number of positions that may be found.
    """

    def __init__(self, counted: NDArray[np.bool_]) -> None:
        import faiss

        self.counted = counted
        self.count = int(np.count_nonzero(counted))
        self._bits = np.packbits(counted, bitorder="little")  # kept: FAISS points to it
        self.selector: Any = faiss.IDSelectorBitmap(len(self._bits), faiss.swig_ptr(self._bits))


def view(vectors: MappedVectors) -> Any:
    """Returns the mapped vectors as a FAISS index that does not copy them.

    FAISS offers this for its own file format only (`IO_FLAG_MMAP_IFC`), which has no checksum. So
    this function sets the fields that FAISS would set.
    """
    import faiss

    count, dimension = vectors.values.shape
    index = faiss.IndexScalarQuantizer(
        dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    address = faiss.swig_ptr(vectors.values.view(np.uint8).reshape(-1))
    codes: Any = index.codes
    codes.is_owned = False
    codes.view_data = codes.c_ptr = address
    codes.view_size = codes.c_size = vectors.values.nbytes
    index.ntotal = count
    return index
