"""Approximate nearest neighbours with FAISS: structures, filling them, searching them.

Small collections need none: a matrix product over them takes milliseconds and misses nothing.
Larger ones get an inverted file, whose vectors are kept in one of several ways (`KINDS`); which
one, and how many cells a query visits, is measured in `tuning`. The few dozen candidates that it
yields are scored again on the stored vectors, so that coarse codes cost little recall.

There is no HNSW among them, though it answers several times as many queries
(`bench/results/search.md`): it takes longer to build, and twice the memory, and through a narrow
filter a graph fails quietly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError

EXACT_ITEMS = 50_000
"""Most items searched exactly: at D = 512 a search takes some milliseconds, and reading them from
SQLite in a fresh process a quarter of a second, which is what importing faiss alone costs."""

EXACT_VALUES = 2**25
"""Most values (items × D) searched exactly, 128 MB as float32."""

_VISITED = 16
"""Least items visited for each candidate: probes are tuned for ten neighbours, and where hundreds
are wanted they lie in more cells."""

_TRAIN_PER_CELL = 48  # FAISS warns below 39

Chunks = Callable[[], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
"""All ids (n,) and unit vectors (n, D), in chunks; may be gone through more than once."""

Take = Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Ids, ascending, and unit vectors of the items asked for."""


class Kind(NamedTuple):
    """A way to keep vectors in the cells of an inverted file.

    Attributes
    ----------
    code : str
        In FAISS' language of structures, with the length D in braces.
    bits : float
        Of a number.
    widths : tuple of int
        How many times the usual candidates are worth asking for.
    """

    code: str
    bits: float
    widths: tuple[int, ...]


KINDS = {
    "Flat": Kind("Flat", 32, (1,)),
    "SQ8": Kind("SQ8", 8, (1,)),
    "PQfs": Kind("PQ{half}x4fs", 2, (1, 2, 4)),  # 4 bits for every two numbers, in registers
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
    chunks: Chunks,
    take: Take,
    ids: NDArray[np.int64],
    dimension: int,
    structure: Structure,
    *,
    seed: int = 0,
    look: Callable[[NDArray[np.int64], NDArray[np.float32]], None] = lambda ids, rows: None,
) -> Ann:
    """Train an inverted file on a sample, and put all vectors into it, a chunk at a time.

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
        Of the sample and of the clustering.
    look : callable
        Is shown every chunk.
    """
    import faiss

    generator = np.random.default_rng(seed)
    sample = generator.choice(ids, min(len(ids), structure.cells * _TRAIN_PER_CELL), replace=False)
    index: Any = faiss.index_factory(
        dimension, structure.factory(dimension), faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = seed + 1
    index.cp.min_points_per_centroid = 1  # no warning on stderr where the sample is small
    if structure.kind == "PQfs":
        index.pq.cp.seed = seed + 1
        index.pq.cp.min_points_per_centroid = 1
    index.train(take(sample)[1])
    for numbers, rows in chunks():
        index.add_with_ids(rows, numbers)
        look(numbers, rows)
    return Ann(index, 1, 1)


class Ann:
    """A loaded FAISS index.

    Parameters
    ----------
    index : faiss.IndexIVF
        Holding our ids.
    probes : int
        Cells a query visits.
    width : int
        How many times the usual candidates are asked for.
    """

    def __init__(self, index: Any, probes: int, width: int) -> None:
        self._index = index
        self.probes = probes
        self.width = width
        self.cells = int(index.nlist)
        self.count = int(index.ntotal)

    @classmethod
    def load(cls, data: bytes, dimension: int, probes: int, width: int = 1) -> Ann:
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
        return cls(index, probes, width)

    def serialized(self) -> NDArray[np.uint8]:
        """As FAISS writes it."""
        import faiss

        data: NDArray[np.uint8] = faiss.serialize_index(self._index)
        return data

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
