"""The vectors of a generation in a file that is mapped: ``ann/<generation>.vectors``.

FAISS' codes are coarse, and its candidates are scored again. Out of SQLite that takes 7 µs for
each, longer than finding it; out of a mapped file next to nothing, and the file is in the cache of
the system instead of every process' memory. Like the FAISS file it is derived, of one revision, and
checked by its SHA-256.

Layout: the ids as little-endian int64, ascending but for some at the end; what brings each vector
to unit length, as little-endian float32; the vectors as little-endian float16, row by row, as the
catalogue has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.files.write import atomic_path, sha256_file
from clr_search.index.catalog.vectors import scale_of, unit_rows

_CHUNK = 8192
_HEAD = 12  # bytes a vector before the vectors


@dataclass(frozen=True, slots=True)
class MappedVectors:
    """The file, mapped.

    Attributes
    ----------
    ids : int64 array, shape (N,)
        Ascending, but for those that were to stand last.
    scale : float32 array, shape (N,)
        1 / length of each vector: within some 1e-4 of 1.
    values : float16 array, shape (N, D)
        Vectors, about of unit length.
    ordered : int64 array, shape (N,), optional
        Places in the order of their ids; None where that is the order of the file.
    """

    ids: NDArray[np.int64]
    scale: NDArray[np.float32]
    values: NDArray[np.float16]
    ordered: NDArray[np.int64] | None = None

    def subset(self, positions: NDArray[np.int64] | slice) -> MappedVectors:
        """Returns the vectors at these positions alone; a slice is not copied."""
        return MappedVectors(self.ids[positions], self.scale[positions], self.values[positions])

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where those of these ids, ascending, are that it has."""
        rank = np.searchsorted(self.ids, ids, sorter=self.ordered)
        rank = rank[rank < len(self.ids)]
        position: NDArray[np.int64] = rank if self.ordered is None else self.ordered[rank]
        there: NDArray[np.int64] = position[self.ids[position] == ids[: len(position)]]
        return there

    def rows(self, positions: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Unit vectors, shape (n, D), of these positions."""
        return unit_rows(self.values[positions].astype(np.float32))

    def chunks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All unit vectors, some thousands at a time, with the position of the first."""
        for at in range(0, len(self.ids), _CHUNK):
            yield at, self.rows(slice(at, at + _CHUNK))


def write(
    path: Path,
    chunks: Iterable[tuple[NDArray[np.int64], NDArray[np.float16]]],
    count: int,
    dimension: int,
    last: NDArray[np.int64] | None = None,
) -> str:
    """Write the file, a chunk at a time; its SHA-256.

    Parameters
    ----------
    path : Path
        The file.
    chunks : iterable of (int64 array (n,), float16 array (n, D))
        `count` ids, ascending over all chunks, and their vectors to the bit: brought to unit
        length and rounded once more, their scores would change by a few millionths.
    count, dimension : int
        N and D.
    last : int64 array, optional
        Numbers of vectors, counted as they come, that are to stand at the end.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with atomic_path(path) as temporary:
        ids, scale = np.empty(count, dtype="<i8"), np.empty(count, dtype="<f4")
        with temporary.open("wb") as file:
            file.seek(ids.nbytes + scale.nbytes)
            at = 0
            for numbers, rows in _with_last(chunks, last):
                part, halves = slice(at, at + len(numbers)), rows.astype("<f2")
                ids[part], scale[part] = numbers, scale_of(halves)
                at += len(numbers)
                file.write(halves.tobytes())
            file.seek(0)
            file.write(ids.tobytes() + scale.tobytes())
        if at != count or temporary.stat().st_size != count * (_HEAD + 2 * dimension):
            raise ClrSearchError(f"{path} would hold {at:,} vectors, not {count:,}.")
        return sha256_file(temporary)


_Chunk = tuple[NDArray[np.int64], NDArray[np.float16]]


def _with_last(chunks: Iterable[_Chunk], last: NDArray[np.int64] | None) -> Iterator[_Chunk]:
    """The chunks without the vectors of these numbers, and then those."""
    if last is None:
        yield from chunks
        return
    kept: list[_Chunk] = []
    start = 0
    for ids, rows in chunks:
        late = np.isin(np.arange(start, start + len(ids)), last)
        start += len(ids)
        kept.append((ids[late], rows[late]))
        yield ids[~late], rows[~late]
    yield from kept


def load(path: Path, count: int, dimension: int, sha256: str) -> MappedVectors:
    """Map the file, if it is the one that was written.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is another one.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ValueError("is truncated or altered")
    ids = np.fromfile(path, dtype="<i8", count=count).astype(np.int64)
    scale = np.fromfile(path, dtype="<f4", count=count, offset=8 * count).astype(np.float32)
    mapped = np.memmap(path, dtype="<f2", mode="r", offset=_HEAD * count, shape=(count, dimension))
    ascending = bool((np.diff(ids) > 0).all())
    return MappedVectors(ids, scale, np.asarray(mapped), None if ascending else np.argsort(ids))
