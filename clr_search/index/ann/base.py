"""A FAISS index as it is searched: an inverted file, or a graph, over the mapped vectors.

FAISS numbers vectors by their place in the file of `stored`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.mapped_vectors import Stored

SLACK = 6
"""More than wanted, for products with lengths that differ a little from 1."""

AROUND = 2
"""Times the usual effort in a selection, beside what its share of the whole asks for."""

Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class Effort(NamedTuple):
    """What a search asks of an index.

    Attributes
    ----------
    returned, asked, probes : int
        See `Ann.search`.
    needed : int
        How many must come back, or else more effort is to be made.
    """

    returned: int
    asked: int
    probes: int
    needed: int


class Ann(ABC):
    """A loaded FAISS index, and the vectors its candidates are scored on.

    Parameters
    ----------
    index : faiss.Index
        Whose vectors are numbered as those of `held`.
    held : Stored
        The vectors.
    probes : int
        Effort of a search: cells that an inverted file visits, or efSearch of a graph.
    width : float
        How many times the usual candidates are asked for.

    Attributes
    ----------
    cells : int
        The greatest effort: at it, everything is visited.
    count : int
        Vectors.
    """

    def __init__(self, index: Any, held: Stored, probes: int, width: float, cells: int) -> None:
        self._index = index
        self._exact = view(held)
        self.held = held
        self.probes = probes
        self.width = width
        self.cells = cells
        self.count = int(index.ntotal)

    @abstractmethod
    def serialized(self) -> NDArray[np.uint8]:
        """As FAISS writes it, without the stored vectors."""

    @abstractmethod
    def asked_for(self, wanted: int) -> int:
        """Candidates to score where so many neighbours are wanted."""

    @abstractmethod
    def effort(self, wanted: int, among: Selector | None) -> Effort:
        """To find the nearest `wanted`, all of them or those of a selection."""

    @abstractmethod
    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        asked: int,
        probes: int,
        among: Selector | None = None,
    ) -> Found:
        """About the nearest, by the products with the stored vectors.

        Parameters
        ----------
        queries : float32 array, shape (Q, D)
            Of unit length.
        k : int
            How many to return.
        asked, probes : int
            How many candidates to score, at least k, and the effort.
        among : Selector, optional
            Places that count.

        Returns
        -------
        places : int64 array, shape (Q, k)
            The nearest first; -1 at the end where fewer were met.
        products : float32 array, shape (Q, k)
            With the float16 values as they are, whose lengths differ from 1 by about 1e-4.
        """

    def exact(self, queries: NDArray[np.float32], k: int, among: Selector | None) -> Found:
        """As `search`, by scoring all, or all of a selection."""
        import faiss

        parameters = faiss.SearchParameters()
        if among is not None:
            parameters.sel = among.selector
        rows = np.ascontiguousarray(queries)
        products, places = self._exact.search(rows, min(k, self.count), params=parameters)
        return places, products


class Selector:
    """Places that count in a search.

    Parameters
    ----------
    kept : bool array, shape (N,)
        Which.
    """

    def __init__(self, kept: NDArray[np.bool_]) -> None:
        import faiss

        self.kept = kept
        self.count = int(np.count_nonzero(kept))
        self._bits = np.packbits(kept, bitorder="little")  # FAISS points to them
        self.selector: Any = faiss.IDSelectorBitmap(len(self._bits), faiss.swig_ptr(self._bits))


def view(held: Stored) -> Any:
    """The mapped vectors as a FAISS index that does not copy them.

    FAISS has no call for it but that of its own file format (`IO_FLAG_MMAP_IFC`), whose checksum we
    would have to do without; these are the fields which that call sets.
    """
    import faiss

    count, dimension = held.values.shape
    index = faiss.IndexScalarQuantizer(
        dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    address = faiss.swig_ptr(held.values.view(np.uint8).reshape(-1))
    codes: Any = index.codes
    codes.is_owned = False
    codes.view_data = codes.c_ptr = address
    codes.view_size = codes.c_size = held.values.nbytes
    index.ntotal = count
    return index
