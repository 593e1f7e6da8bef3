"""FAISS structures for approximate nearest neighbours: which may serve, and how they are built.

Small collections need none: a matrix product over them takes milliseconds and misses nothing.
Larger ones get an inverted file, whose vectors are kept as one of several codes (`KINDS`); the
code, and how many cells a query visits, is measured in `tuning`. The few dozen candidates that it
yields are scored again on the stored vectors, so that coarse codes cost little recall.

Graphs take longer to build and more memory, and answer single queries sooner the more vectors there
are (`bench/results/search.md`, `search-million.md`). So they are made only where they are asked
for: HNSW by `Goal.graph`, and whatever is quickest by `Goal.serve`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.ann import quantised
from clr_search.index.ann.base import Ann
from clr_search.index.ann.digest import Bytes
from clr_search.index.ann.graph import HNSW
from clr_search.index.ann.inverted import InvertedFile
from clr_search.index.ann.mapped_vectors import MappedVectors

EXACT_ITEMS = 50_000
"""Most items searched exactly: at D = 512 a search takes some milliseconds, and reading them from
SQLite in a fresh process a quarter of a second, which is what importing faiss alone costs."""

EXACT_VALUES = 2**25
"""Most values (items × D) searched exactly, 128 MB as float32."""

_TRAIN_PER_CELL = 48  # vectors that k-means sees for each cell; FAISS warns below 39
_ROUNDS = 6  # iterations of k-means for the cells; FAISS' default of 10 reaches the same recall
_CODE_ROUNDS = 10  # iterations of k-means for the codes; FAISS' default of 25 reaches the same
_MANY_CELLS = 1024  # cells from which FAISS' k-means that skips most products is a third quicker


class Kind(NamedTuple):
    """A code by which an inverted file keeps the vectors in its cells.

    Attributes
    ----------
    code : str
        The code in the language of `faiss.index_factory`; ``{half}`` stands for D / 2.
    bits : float
        Bits that each of the D numbers of a vector takes.
    widths : tuple of float
        Factors on the usual number of candidates that are worth trying: coarse codes need more.
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
"""The kinds of codes that an inverted file may keep, by name."""

GRAPH = "HNSW"
"""Kind of a structure that is no inverted file: FAISS' graph over the stored vectors."""

QUANTISED = "SymQG"
"""Kind of the graph over quantised codes, where `rabitqlib` is installed."""

GRAPHS = (GRAPH, QUANTISED)
"""The kinds that are graphs."""

LINKS = 16
"""Links of each vector of a graph, M of HNSW; the lowest level has 2M."""

_CONSTRUCTION = 100
"""efConstruction of HNSW, the effort of building. With 40, FAISS' default, a graph over
a million is built in 79 s instead of 215, but needs an effort of 32 instead of 16 for a recall of
0.97: half the searches a second."""

_PQ_LEAST = 1000  # vectors below which product quantization has too few to learn its codes from
_OVERHEAD = 16  # bytes for each vector: its id, and the factors that some codes need


class Structure(NamedTuple):
    """An index structure: an inverted file, a graph, or the exact scan, which needs no FAISS.

    Attributes
    ----------
    cells : int
        Cells of an inverted file; 0 for a graph and for the exact scan.
    kind : str
        A key of `KINDS`, or one of `GRAPHS`; without a meaning for the exact scan.

    Examples
    --------
    >>> str(Structure(512, "SQ8")), str(Structure(0, GRAPH)), str(Structure(0))
    ('IVF512,SQ8', 'HNSW16', 'exact')
    >>> str(Structure(0, QUANTISED))
    'SymQG32'
    """

    cells: int
    kind: str = "SQ8"

    def __str__(self) -> str:
        if self.kind in GRAPHS:
            return f"{self.kind}{LINKS if self.kind == GRAPH else quantised.DEGREE}"
        return f"IVF{self.cells},{self.kind}" if self.cells else "exact"

    def factory(self, dimension: int) -> str:
        """Returns the string from which `faiss.index_factory` makes this inverted file.

        Examples
        --------
        >>> Structure(512, "PQfs").factory(128)
        'IVF512,PQ64x4fsr'
        """
        return f"IVF{self.cells},{KINDS[self.kind].code.format(half=dimension // 2)}"

    def bytes_for(self, count: int, dimension: int) -> int:
        """Returns about how many bytes it takes in memory, without the mapped vectors."""
        if self.kind == GRAPH:
            return count * (8 * LINKS + _OVERHEAD)
        if self.kind == QUANTISED:
            return count * quantised.bytes_per_vector(dimension)
        if not self.cells:
            return 4 * count * dimension
        bytes_per_vector = KINDS[self.kind].bits * dimension / 8 + _OVERHEAD
        return round(count * bytes_per_vector) + 4 * self.cells * dimension


def choose(
    count: int,
    dimension: int,
    memory: int | None = None,
    *,
    graph: bool = False,
    graphs: bool = False,
) -> list[Structure]:
    """Returns the structures that may serve `count` vectors of length `dimension`.

    That is the exact scan alone, where it is quick enough; else HNSW alone, if `graph` asks for it;
    else inverted files of `cells_for` cells, one of each kind, and with `graphs` a graph. That is
    the quantised one where it can be made here and fits: on a sample, which the caches hold, HNSW
    is as quick, and over 144,000 vectors it takes 1.7 times as long (`bench/results/search.md`).
    Structures that take more than `memory` bytes are left out, so that the list may be empty.

    Examples
    --------
    >>> [str(structure) for structure in choose(1_000_000, 128, memory=100_000_000)]
    ['IVF2048,PQfs', 'IVF2048,RaBitQ']
    """
    exact = Structure(0)
    if count <= EXACT_ITEMS and count * dimension <= EXACT_VALUES:
        structures = [exact]
    elif graph:
        structures = [Structure(0, GRAPH)]
    else:
        cells = cells_for(count)
        # Product quantization codes pairs of numbers, and learns 16 codes for each pair.
        no_pairs = dimension % 2 or count < _PQ_LEAST
        structures = [Structure(cells, kind) for kind in KINDS if kind != "PQfs" or not no_pairs]
        if graphs:
            structures += [Structure(0, GRAPH), Structure(0, QUANTISED)]
    fitting = [s for s in structures if memory is None or s.bytes_for(count, dimension) <= memory]
    if Structure(0, QUANTISED) in fitting:
        fitting.remove(Structure(0, GRAPH if quantised.available() else QUANTISED))
    return fitting


def kind_of(name: str) -> str:
    """Returns the kind of a structure by its name.

    Examples
    --------
    >>> kind_of("IVF512,SQ8"), kind_of("SymQG32")
    ('SQ8', 'SymQG')
    """
    graph = next((kind for kind in GRAPHS if name.startswith(kind)), None)
    return graph or name.partition(",")[2]


def cells_for(count: int) -> int:
    """Returns the number of cells for `count` vectors: about 2√N, as a power of 2.

    Examples
    --------
    >>> cells_for(1_000_000)
    2048
    """
    return int(2 ** round(math.log2(2 * math.sqrt(max(count, 1)))))


def link(vectors: MappedVectors, index: Any = None) -> Any:
    """Adds all vectors to a FAISS graph, a chunk at a time, and returns it.

    Without `index` a new graph is made. Until it is written, the graph has a copy of the vectors
    in memory, as float16. Several threads add them, so that no two graphs are quite alike.
    """
    import faiss

    if index is None:
        half: Any = faiss.ScalarQuantizer.QT_fp16
        dimension = vectors.values.shape[1]
        index = faiss.IndexHNSWSQ(dimension, half, LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _CONSTRUCTION
        index.is_trained = True  # float16 has nothing to learn
    for _, rows in vectors.chunks():
        index.add(rows)
    return index


def fill(
    vectors: MappedVectors,
    structure: Structure,
    *,
    seed: int = 0,
    centroids: NDArray[np.float32] | None = None,
) -> InvertedFile:
    """Trains an inverted file on a sample, and adds all vectors to it, a chunk at a time.

    Parameters
    ----------
    vectors : MappedVectors
        The vectors.
    structure : Structure
        The inverted file to make, with at least one cell.
    seed : int
        Seed of the random sample and of the clustering.
    centroids : float32 array, shape (cells, D), optional
        Centroids of a structure of as many cells over the same vectors, which saves the clustering.
    """
    import faiss

    generator = np.random.default_rng(seed)
    count, dimension = vectors.values.shape
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
        index.quantizer.add(centroids)  # FAISS then takes the cells as trained
    index.train(vectors.rows(sample))
    for _, rows in vectors.chunks():
        index.add(rows)
    return InvertedFile(index, vectors, 1, 1)


def load(
    data: Bytes, vectors: MappedVectors, probes: int, width: float = 1, *, name: str = ""
) -> Ann:
    """Returns the index that these bytes, uint8 (n,), hold; the caller has verified them.

    `name` is that of the structure, by which the bytes of FAISS and of `rabitqlib` are told apart.

    Raises
    ------
    ClrSearchError
        If they are neither an inverted file nor a graph over as many vectors as `vectors`, of the
        same length, or no library is installed that reads them.
    """
    if name.startswith(QUANTISED):
        return quantised.QuantisedGraph.load(data, vectors, probes, width)
    import faiss

    count, dimension = vectors.values.shape
    try:
        index = faiss.deserialize_index(data)
    except (RuntimeError, MemoryError) as error:
        raise ClrSearchError(f"FAISS cannot read it: {error}") from error
    classes = {faiss.IndexIVF: InvertedFile, faiss.IndexHNSW: HNSW}
    loaded = next((ours for base, ours in classes.items() if isinstance(index, base)), None)
    if loaded is None or index.d != dimension:
        raise ClrSearchError(f"it is no search structure of dimension {dimension}")
    if index.ntotal != count:
        raise ClrSearchError(f"it holds {index.ntotal:,} items, not {count:,}")
    return loaded(index, vectors, probes, width)
