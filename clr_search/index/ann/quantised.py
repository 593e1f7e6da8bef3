"""Graphs over quantised codes (SymphonyQG), by `rabitqlib`: the quickest way to one query.

A vertex of the graph keeps the codes of its neighbours beside its own vector, so that one step
estimates the distances of all of them at once, in one pass over memory that lies together (Gou et
al., SIGMOD 2025, arXiv 2411.12229). What it costs is that memory: about 5·D + 400 bytes a vector,
beside the mapped vectors. The library is the one of its authors, and optional (the extra `[fast]`).

What a graph of this library cannot do stands elsewhere in `ann/`: it takes no vectors after it was
built, so that newer items are searched beside it until all is built anew; it knows no filter, so
that a selection is applied to its candidates, as with HNSW; its distances are estimates, so that
the candidates are scored on the mapped vectors; and it believes its file, which is verified
before.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError
from clr_search.index.ann.digest import Bytes
from clr_search.index.ann.graph import Graph
from clr_search.index.ann.mapped_vectors import MappedVectors

DEGREE = 32
"""Neighbours of each vertex, the block in which the library estimates distances."""

_BITS = 8
"""Bits of a number of the stored vectors: with 4, the last step is too coarse for a recall of 0.97
without many more steps."""

_CONSTRUCTION = 100
"""Effort of building, as for HNSW."""

_LEAST = 64
"""Least length of a vector that the library takes; shorter ones get zeros behind, which change no
product."""

_BLOCK = 128
"""Queries that a thread answers at a time: their candidates then stay in the cache of its core."""


def available() -> bool:
    """Returns whether `rabitqlib` is installed, and runs on this processor."""
    return not why_not()


def why_not() -> str:
    """Returns why there can be no such graph here; empty where there can be."""
    try:
        import rabitqlib  # noqa: F401
    except ImportError as error:
        return f"rabitqlib cannot be loaded ({error})"
    return "" if _runs() else "rabitqlib does not run on this processor"


@cache
def _runs() -> bool:
    """Whether the library builds and searches a small graph, which takes some milliseconds.

    It can be imported anywhere, and refuses both where there is neither AVX2 nor NEON.
    """
    from rabitqlib import SymqgIndex

    rows = np.eye(_LEAST, dtype=np.float32)
    try:
        index = SymqgIndex(_LEAST, DEGREE, "ip", _BITS)
        index.build(rows, _CONSTRUCTION, 1)
        index.search_batch(rows[:1], 1, DEGREE, 1)
    except RuntimeError:
        return False
    return True


def bytes_per_vector(dimension: int) -> int:
    """Returns the memory that a vertex takes: its vector, and the codes of its neighbours.

    Examples
    --------
    >>> bytes_per_vector(256)
    1672
    """
    rounded = 32 * math.ceil(max(dimension, _LEAST) / 32)
    return 5 * rounded + 392


class QuantisedGraph(Graph):
    """A graph of `rabitqlib` over codes, whose candidates are scored on the mapped vectors.

    Its walks go straight for the query, and what they return at the end is what they met on their
    way: of 180 vectors, the last were among the nearest 3,000 of 4,000 in clusters.
    """

    trusted = 0.5

    @classmethod
    def build(cls, vectors: MappedVectors) -> QuantisedGraph:
        """Builds the graph over all vectors, in one go; no two graphs are quite alike.

        Raises
        ------
        ClrSearchError
            If the library cannot build it, as over fewer vectors than a vertex has neighbours.
        """
        from rabitqlib import SymqgIndex

        rows = _padded(vectors.rows(slice(0, len(vectors.ids))))
        index = SymqgIndex(rows.shape[1], DEGREE, "ip", _BITS)
        try:
            index.build(rows, _CONSTRUCTION, usable_cores())
        except (RuntimeError, ValueError, MemoryError) as error:
            raise ClrSearchError(f"rabitqlib cannot build a graph: {error}.") from error
        return cls(index, vectors, 1, 1)

    @classmethod
    def load(cls, data: Bytes, vectors: MappedVectors, probes: int, width: float) -> QuantisedGraph:
        """Returns the graph that `serialized` gave; the caller has verified its bytes.

        Raises
        ------
        ClrSearchError
            If the library is not installed or does not run on this processor, or it is no graph
            over as many vectors as `vectors`, of the same length.
        """
        if reason := why_not():
            raise ClrSearchError(
                f"it is a quantised graph, and {reason}",
                'It takes the extra [fast] (pip install "clr-search[fast]"), and AVX2 or NEON.',
            )
        from rabitqlib import SymqgIndex

        count, dimension = vectors.values.shape
        with _named(data) as path:
            try:
                index = SymqgIndex.load(str(path))
            except (RuntimeError, ValueError, MemoryError) as error:
                raise ClrSearchError(f"rabitqlib cannot read it: {error}") from error
        if (index.num_points, index.dim) != (count, max(dimension, _LEAST)):
            raise ClrSearchError(f"it is no quantised graph over {count:,} items of {dimension}")
        return cls(index, vectors, probes, width)

    def serialized(self) -> NDArray[np.uint8]:
        """Returns the bytes that the library writes, without the mapped vectors."""
        with _named(np.empty(0, np.uint8)) as path:
            self._index.save(str(path))
            return np.fromfile(path, np.uint8)

    def walk(
        self, rows: NDArray[np.float32], fetched: int, effort: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns positions and products of the nearest vectors that a walk through it meets.

        Each thread walks and scores blocks of queries by itself, since the library's own threads
        would leave the scoring to one.
        """
        if len(rows) <= _BLOCK:
            return self._walk(rows, fetched, effort)
        blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
        with ThreadPoolExecutor(usable_cores()) as pool:
            found = list(pool.map(lambda block: self._walk(block, fetched, effort), blocks))
        positions, products = zip(*found, strict=True)
        return np.concatenate(positions), np.concatenate(products)

    def _walk(
        self, rows: NDArray[np.float32], fetched: int, effort: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Walks for some queries in this thread, and scores what it meets on the mapped vectors."""
        found = self._index.search_batch(_padded(rows), fetched, effort, 1)[0].astype(np.int64)
        few = int(found.max(initial=-1)) >= self.count
        if few:  # the rows end in what is no vector
            absent = found >= self.count
            found[absent] = -1
            found = np.take_along_axis(found, np.argsort(absent, axis=1, kind="stable"), axis=1)
        vectors = self.vectors.values.take(found.reshape(-1), axis=0).astype(np.float32)
        products = np.matmul(vectors.reshape(*found.shape, -1), rows[:, :, None])[:, :, 0]
        if few:
            products[found < 0] = -np.inf
        return found, products


def _padded(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns rows that are long enough for the library."""
    missing = _LEAST - rows.shape[1]
    return rows if missing <= 0 else np.pad(rows, ((0, 0), (0, missing)))


@contextmanager
def _named(data: Bytes) -> Iterator[Path]:
    """Gives bytes a path for a library that knows only paths, which nobody else can write to.

    On Linux that is a file in memory, which has no name in any folder.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("clr-search")
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data.data)
            yield Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory(prefix="clr-search-") as folder:
        path = Path(folder) / "graph"
        data.tofile(path)
        yield path
