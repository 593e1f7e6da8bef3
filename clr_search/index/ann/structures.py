"""Approximate nearest neighbours with FAISS: which structures may serve, and filling them.

Small collections need none: a matrix product over them takes milliseconds and misses nothing.
Larger ones get an inverted file, whose vectors are kept in one of several ways (`KINDS`); which
one, and how many cells a query visits, is measured in `tuning`. The few dozen candidates that it
yields are scored again on the stored vectors, so that coarse codes cost little recall.

A graph (HNSW) is made only where it is asked for. It takes two to four times as long to build, and
is slower among a hundred thousand vectors; among a million it answers single queries two and a half
times as soon, and many at once hardly sooner (`bench/results/search.md`, `search-million.md`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.ann.base import Ann
from clr_search.index.ann.graph import Graph
from clr_search.index.ann.inverted import InvertedFile
from clr_search.index.ann.mapped_vectors import MappedVectors

EXACT_ITEMS = 50_000
"""Most items searched exactly: at D = 512 a search takes some milliseconds, and reading them from
SQLite in a fresh process a quarter of a second, which is what importing faiss alone costs."""

EXACT_VALUES = 2**25
"""Most values (items × D) searched exactly, 128 MB as float32."""

_TRAIN_PER_CELL = 48  # FAISS warns below 39
_ROUNDS = 6  # of k-means; FAISS' own 10 reach the same recall
_CODE_ROUNDS = 10  # of that of the codes; as its own 25
_MANY_CELLS = 1024  # from where FAISS' k-means that skips most products is quicker, by a third


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
"""The kinds of codes that an inverted file may keep, by name."""

GRAPH = "HNSW"
"""Kind of a structure that is no inverted file: a graph over the stored vectors."""

LINKS = 16
"""Links of a vector of a graph in one direction, M of HNSW; the lowest level has 2M."""

_CONSTRUCTION = 100
"""efConstruction. With 40, FAISS' own, a graph over a million is built in 79 s instead of 215, and
needs an effort of 32 instead of 16 for a recall of 0.97: half the searches a second."""

_PQ_LEAST = 1000
_OVERHEAD = 16  # bytes a vector: its id, and the factors that some codes need


class Structure(NamedTuple):
    """An index structure: an inverted file of so many cells, or without cells one of two others.

    Those are `GRAPH`, and the exact scan, which needs no FAISS.
    """

    cells: int
    kind: str = "SQ8"

    def __str__(self) -> str:
        if self.kind == GRAPH:
            return f"{GRAPH}{LINKS}"
        return f"IVF{self.cells},{self.kind}" if self.cells else "exact"

    def factory(self, dimension: int) -> str:
        """Returns the string from which `faiss.index_factory` makes this structure."""
        return f"IVF{self.cells},{KINDS[self.kind].code.format(half=dimension // 2)}"

    def bytes_for(self, count: int, dimension: int) -> int:
        """About the memory it takes, beside the mapped vectors."""
        if self.kind == GRAPH:
            return count * (8 * LINKS + _OVERHEAD)
        if not self.cells:
            return 4 * count * dimension
        each = KINDS[self.kind].bits * dimension / 8 + _OVERHEAD
        return round(count * each) + 4 * self.cells * dimension


def choose(
    count: int, dimension: int, memory: int | None = None, *, graph: bool = False
) -> list[Structure]:
    """Structures that may serve `count` vectors of length `dimension` within `memory` bytes.

    The exact scan alone, where it is quick enough; else a graph, if it is wanted; else inverted
    files of 2√N cells, as a power of 2. None where nothing fits.
    """
    exact = Structure(0)
    if count <= EXACT_ITEMS and count * dimension <= EXACT_VALUES:
        found = [exact]
    elif graph:
        found = [Structure(0, GRAPH)]
    else:
        cells = cells_for(count)
        small = dimension % 2 or count < _PQ_LEAST  # for codes of two numbers, of 16 kinds
        found = [Structure(cells, kind) for kind in KINDS if kind != "PQfs" or not small]
    return [s for s in found if memory is None or s.bytes_for(count, dimension) <= memory]


def cells_for(count: int) -> int:
    """2√N as a power of 2."""
    return int(2 ** round(math.log2(2 * math.sqrt(max(count, 1)))))


def link(vectors: MappedVectors, index: Any = None) -> Any:
    """Link all vectors to a graph, a chunk at a time: a new one, or one that goes on.

    Meanwhile they lie in memory a second time, as float16. Several threads link them, so that no
    two graphs are quite alike.
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
    """Train an inverted file on a sample, and put all vectors into it, a chunk at a time.

    Parameters
    ----------
    vectors : MappedVectors
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
        index.quantizer.add(centroids)  # it is then taken as trained
    index.train(vectors.rows(sample))
    for _, rows in vectors.chunks():
        index.add(rows)
    return InvertedFile(index, vectors, 1, 1)


def load(data: bytes, vectors: MappedVectors, probes: int, width: float = 1) -> Ann:
    """Deserialise bytes whose checksum has been verified.

    Raises
    ------
    ClrSearchError
        If they are neither an inverted file nor a graph over so many vectors of this dimension.
    """
    import faiss

    count, dimension = vectors.values.shape
    try:
        index = faiss.deserialize_index(np.frombuffer(data, dtype=np.uint8))
    except (RuntimeError, MemoryError) as error:
        raise ClrSearchError(f"FAISS cannot read it: {error}") from error
    made = {faiss.IndexIVF: InvertedFile, faiss.IndexHNSW: Graph}
    kind = next((kind for base, kind in made.items() if isinstance(index, base)), None)
    if kind is None or index.d != dimension:
        raise ClrSearchError(f"it is no search structure of dimension {dimension}")
    if index.ntotal != count:
        raise ClrSearchError(f"it holds {index.ntotal:,} items, not {count:,}")
    return kind(index, vectors, probes, width)
