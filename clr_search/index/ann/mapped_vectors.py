"""The vectors of a generation in a file that is mapped: ``ann/<generation>.vectors``.

FAISS' codes are coarse, so its candidates are scored again. Reading a candidate from SQLite takes
7 µs, longer than finding it; from a mapped file it takes next to nothing, and the file lies once in
the cache of the system instead of in the memory of every process. Like the FAISS file it is derived
from one revision of the catalogue, and checked by its digest.

The file holds the ids as little-endian int64, ascending except for some at the end; then the factor
that brings each vector to unit length, as little-endian float32; then the vectors as little-endian
float16, row by row, as the catalogue has them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.files.disk import told
from clr_search.files.own import OwnFile
from clr_search.index.ann import digest
from clr_search.index.catalog.vectors import scale_of, unit_rows

_CHUNK = 8192  # vectors that are in memory as float32 at once: 16 MB at D = 512
_HEAD = 12  # bytes for each vector that stand before the vectors: its id (8) and scale (4)


@dataclass(frozen=True, slots=True)
class MappedVectors:
    """The vectors of a generation, mapped into memory.

    Attributes
    ----------
    ids : int64 array, shape (N,)
        Ids of the items, ascending except for those that `write` was told to put last.
    scale : float32 array, shape (N,)
        1 / length of each vector, which differs from 1 by about 1e-4.
    values : float16 array, shape (N, D)
        The vectors as stored, of about unit length.
    ordered : int64 array, shape (N,), optional
        Positions in the order of their ids; None where that is the order of the file.
    """

    ids: NDArray[np.int64]
    scale: NDArray[np.float32]
    values: NDArray[np.float16]
    ordered: NDArray[np.int64] | None = None

    def subset(self, positions: NDArray[np.int64] | slice) -> MappedVectors:
        """Returns only the vectors at these positions; a slice is not copied."""
        return MappedVectors(self.ids[positions], self.scale[positions], self.values[positions])

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns the positions, shape (n,), of those ids (int64, ascending) that the file has."""
        rank = np.searchsorted(self.ids, ids, sorter=self.ordered)
        rank = rank[rank < len(self.ids)]
        position: NDArray[np.int64] = rank if self.ordered is None else self.ordered[rank]
        matches: NDArray[np.int64] = position[self.ids[position] == ids[: len(position)]]
        return matches

    def rows(self, positions: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Returns the unit vectors at these positions: float32, shape (n, D)."""
        return unit_rows(self.values[positions].astype(np.float32))

    def chunks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields all unit vectors, some thousands at a time, each with its first position."""
        for start in range(0, len(self.ids), _CHUNK):
            yield start, self.rows(slice(start, start + _CHUNK))


def write(
    path: OwnFile | Path,
    chunks: Iterable[tuple[NDArray[np.int64], NDArray[np.float16]]],
    count: int,
    dimension: int,
    last: NDArray[np.int64] | None = None,
) -> str:
    """Writes the file, a chunk at a time, and returns its digest (`ann.digest`).

    Parameters
    ----------
    path : OwnFile or Path
        The file; it appears whole, or not at all.
    chunks : iterable of (int64 array (n,), float16 array (n, D))
        The ids, ascending over all chunks, and their vectors exactly as stored: brought to unit
        length and rounded once more, their scores would change by a few millionths.
    count, dimension : int
        N, the number of vectors in all chunks, and D, their length.
    last : int64 array, optional
        Indices of the vectors, counted over all chunks, that are to stand at the end.

    Raises
    ------
    OSError
        If the file cannot be written.
    ClrSearchError
        If the chunks do not hold `count` vectors.

    Examples
    --------
    >>> chunks = [(np.array([3, 5]), np.eye(2, dtype=np.float16))]
    >>> written = write(Path("1.vectors"), chunks, count=2, dimension=2)
    >>> load(Path("1.vectors"), 2, 2, written).positions(np.array([5]))
    array([1])
    """
    with OwnFile.at(path).replacing() as file:
        ids, scale = np.empty(count, dtype="<i8"), np.empty(count, dtype="<f4")
        file.seek(ids.nbytes + scale.nbytes)
        written = 0
        for numbers, rows in _with_last(chunks, last):
            batch, halves = slice(written, written + len(numbers)), rows.astype("<f2")
            ids[batch], scale[batch] = numbers, scale_of(halves)
            written += len(numbers)
            file.write(halves.tobytes())
        file.seek(0)
        file.write(ids.tobytes() + scale.tobytes())
        if written != count or file.seek(0, os.SEEK_END) != count * (_HEAD + 2 * dimension):
            raise ClrSearchError(f"{path} would hold {written:,} vectors, not {count:,}.")
        file.flush()
        return digest.of_file(file)


_Chunk = tuple[NDArray[np.int64], NDArray[np.float16]]


def _with_last(chunks: Iterable[_Chunk], last: NDArray[np.int64] | None) -> Iterator[_Chunk]:
    """Yields the chunks without the vectors at the indices in `last`, and then those vectors."""
    if last is None:
        yield from chunks
        return
    postponed: list[_Chunk] = []
    start = 0
    for ids, rows in chunks:
        late = np.isin(np.arange(start, start + len(ids)), last)
        start += len(ids)
        postponed.append((ids[late], rows[late]))
        yield ids[~late], rows[~late]
    yield from postponed


def load(
    path: OwnFile | Path,
    count: int,
    dimension: int,
    expected: str,
    of_file: Callable[[io.BufferedReader], str] = digest.of_file,
) -> MappedVectors:
    """Maps a file of `count` vectors of length `dimension` that `write` has made.

    `expected` is what `of_file` must return for it.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If its digest is another one.
    """
    file = OwnFile.at(path)
    with file.open() as opened, told(file.path, "read"):
        if of_file(opened) != expected:
            raise ValueError("is truncated or altered")
        opened.seek(0)
        ids = np.fromfile(opened, dtype="<i8", count=count).astype(np.int64)
        scale = np.fromfile(opened, dtype="<f4", count=count).astype(np.float32)
        shape = (count, dimension)
        mapped = np.memmap(opened, dtype="<f2", mode="r", offset=_HEAD * count, shape=shape)
    ascending = bool((np.diff(ids) > 0).all())
    return MappedVectors(ids, scale, np.asarray(mapped), None if ascending else np.argsort(ids))
