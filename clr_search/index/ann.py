"""Approximate nearest neighbours with FAISS: structures, filling them, searching them.

Small collections need none: a matrix product over them takes milliseconds and misses nothing.
Larger ones get an inverted file, whose vectors are kept in one of several ways (`KINDS`); which
one, and how many cells a query visits, is measured in `tuning`. The few dozen candidates that it
yields are scored again on the stored vectors, so that coarse codes cost little recall. FAISS does
both, the second on the mapped file (`stored`): in Python that took several times as long as all the
rest.

FAISS numbers vectors by their place in that file. There is no HNSW among the structures
(`bench/results/search.md`): it answers no sooner, takes two to six times as long to build and twice
the memory, and through a narrow filter a graph fails quietly.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.stored import Stored

EXACT_ITEMS = 50_000
"""Most items searched exactly: at D = 512 a search takes some milliseconds, and reading them from
SQLite in a fresh process a quarter of a second, which is what importing faiss alone costs."""

EXACT_VALUES = 2**25
"""Most values (items × D) searched exactly, 128 MB as float32."""

_VISITED = 16
"""Least items visited for each candidate: probes are tuned for ten neighbours, and where hundreds
are wanted they lie in more cells."""

_TRAIN_PER_CELL = 48  # FAISS warns below 39
_ROUNDS = 6  # of k-means; FAISS' own 10 reach the same recall
_CODE_ROUNDS = 10  # of that of the codes; as its own 25
_MANY_CELLS = 1024  # from where FAISS' k-means that skips most products is quicker, by a third


Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class Kind(NamedTuple):
    """A way to keep vectors in the cells of an inverted file.

    Attributes
    ----------
    code : str
        In FAISS' language of structures, with the length D in braces.
    bits : float
        Of a number.
    widths : tuple of float
        How many times the usual candidates are worth asking for.
    """

    code: str
    bits: float
    widths: tuple[float, ...]


KINDS = {
    "Flat": Kind("Flat", 32, (1,)),
    "SQ8": Kind("SQ8", 8, (1,)),
    "PQfs": Kind("PQ{half}x4fsr", 2, (1, 1.5, 2, 3)),  # 4 bits for 2 numbers of the residual
    "RaBitQ": Kind("RaBitQfs", 1, (2, 4, 8)),  # arXiv 2405.12497
}
"""By their names."""

_PQ_LEAST = 1000
_OVERHEAD = 16  # bytes a vector: its id, and the factors that some codes need


class Structure(NamedTuple):
    """An index structure: ``cells`` 0 is the exact scan, which needs no FAISS."""

    cells: int
    kind: str = "SQ8"

    def __str__(self) -> str:
        return f"IVF{self.cells},{self.kind}" if self.cells else "exact"

    def factory(self, dimension: int) -> str:
        """As `faiss.index_factory` reads it."""
        return f"IVF{self.cells},{KINDS[self.kind].code.format(half=dimension // 2)}"

    def bytes_for(self, count: int, dimension: int) -> int:
        """About the memory it takes."""
        if not self.cells:
            return 4 * count * dimension
        each = KINDS[self.kind].bits * dimension / 8 + _OVERHEAD
        return round(count * each) + 4 * self.cells * dimension


def choose(count: int, dimension: int, memory: int | None = None) -> list[Structure]:
    """Structures that may serve `count` vectors of length `dimension` within `memory` bytes.

    The exact scan alone, where it is quick enough; else inverted files of 2√N cells, as a power of
    2. None where nothing fits.
    """
    exact = Structure(0)
    if count <= EXACT_ITEMS and count * dimension <= EXACT_VALUES:
        found = [exact]
    else:
        cells = cells_for(count)
        small = dimension % 2 or count < _PQ_LEAST  # for codes of two numbers, of 16 kinds
        found = [Structure(cells, kind) for kind in KINDS if kind != "PQfs" or not small]
    return [s for s in found if memory is None or s.bytes_for(count, dimension) <= memory]


def cells_for(count: int) -> int:
    """2√N as a power of 2."""
    return int(2 ** round(math.log2(2 * math.sqrt(max(count, 1)))))


def candidates(k: int) -> int:
    """How many to ask FAISS for where k are wanted, so that scoring again puts the order right."""
    return 4 * k + 16


def fill(
    held: Stored,
    structure: Structure,
    *,
    seed: int = 0,
    centroids: NDArray[np.float32] | None = None,
) -> Ann:
    """Train an inverted file on a sample, and put all vectors into it, a chunk at a time.

    Parameters
    ----------
    held : Stored
        The vectors.
    structure : Structure
        With at least one cell.
    seed : int
        Of the sample and of the clustering.
    centroids : float32 array, shape (cells, D), optional
        Of the cells, from a structure of as many over the same vectors: saves the clustering.
    """
    import faiss

    generator = np.random.default_rng(seed)
    count, dimension = held.values.shape
    size = min(count, structure.cells * _TRAIN_PER_CELL)
    sample = np.sort(generator.choice(count, size, replace=False))
    index: Any = faiss.index_factory(
        dimension, structure.factory(dimension), faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = seed + 1
    index.cp.niter = _ROUNDS
    index.cp.use_super_kmeans = structure.cells >= _MANY_CELLS
    index.cp.min_points_per_centroid = 1  # no warning on stderr where the sample is small
    if structure.kind == "PQfs":
        index.pq.cp.seed = seed + 1
        index.pq.cp.niter = _CODE_ROUNDS
        index.pq.cp.min_points_per_centroid = 1
    if centroids is not None:
        index.quantizer.add(centroids)  # it is then taken as trained
    index.train(held.rows(sample))
    for _, rows in held.chunks():
        index.add(rows)
    return Ann(index, held, 1, 1)


class Ann:
    """A loaded FAISS index, and the vectors its candidates are scored on.

    Parameters
    ----------
    index : faiss.IndexIVF
        Whose vectors are numbered as those of `held`.
    held : Stored
        The vectors.
    probes : int
        Cells a query visits.
    width : float
        How many times the usual candidates are asked for.
    """

    def __init__(self, index: Any, held: Stored, probes: int, width: float) -> None:
        import faiss

        self._index = index
        self._exact = _view(held)
        self._refined = faiss.IndexRefine(index, self._exact)
        self.held = held
        self.probes = probes
        self.width = width
        self.cells = int(index.nlist)
        self.count = int(index.ntotal)
        self._usual = lru_cache(64)(_parameters)  # making them takes a tenth of a search

    @classmethod
    def load(cls, data: bytes, held: Stored, probes: int, width: float = 1) -> Ann:
        """Deserialise bytes whose checksum has been verified.

        Raises
        ------
        ClrSearchError
            If they are no inverted file over so many vectors of this dimension.
        """
        import faiss

        count, dimension = held.values.shape
        try:
            index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
        except (RuntimeError, MemoryError) as error:
            raise ClrSearchError(f"FAISS cannot read it: {error}") from error
        if not isinstance(index, faiss.IndexIVF) or index.d != dimension:
            raise ClrSearchError(f"it is no inverted file of dimension {dimension}")
        if index.ntotal != count:
            raise ClrSearchError(f"it holds {index.ntotal:,} items, not {count:,}")
        return cls(index, held, probes, width)

    def centroids(self) -> NDArray[np.float32]:
        """Of the cells, shape (cells, D)."""
        found: NDArray[np.float32] = self._index.quantizer.reconstruct_n(0, self.cells)
        return found

    def serialized(self) -> NDArray[np.uint8]:
        """As FAISS writes it, without the stored vectors."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return data

    def probes_for(self, wanted: int) -> int:
        """Cells to visit where so many neighbours are wanted: as tuned, or more."""
        asked = self.asked_for(wanted)
        return max(self.probes, math.ceil(self.cells * _VISITED * asked / max(self.count, 1)))

    def asked_for(self, wanted: int) -> int:
        """Candidates to score where so many neighbours are wanted."""
        return min(round(candidates(wanted) * self.width), self.count)

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
            How many candidates to score, at least k, and from how many cells.
        among : Selector, optional
            Places that count.

        Returns
        -------
        places : int64 array, shape (Q, k)
            The nearest first; -1 at the end where the visited cells hold fewer.
        products : float32 array, shape (Q, k)
            With the float16 values as they are, whose lengths differ from 1 by about 1e-4.
        """
        effort = max(asked, k) / k, min(probes, self.cells)
        made = self._usual(*effort) if among is None else _parameters(*effort, among)
        products, places = self._refined.search(np.ascontiguousarray(queries), k, params=made)
        return places, products

    def exact(self, query: NDArray[np.float32], k: int, among: Selector) -> NDArray[np.int64]:
        """Places of the k nearest of a selection to a query, shape (D,), by scoring all of it."""
        import faiss

        parameters = faiss.SearchParameters()
        parameters.sel = among.selector
        found = self._exact.search(query[None], min(k, among.count), params=parameters)[1][0]
        places: NDArray[np.int64] = found[found >= 0]
        return places


def _parameters(k_factor: float, probes: int, among: Selector | None = None) -> Any:
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


def _view(held: Stored) -> Any:
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
