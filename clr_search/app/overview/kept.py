"""Maps that are kept on disk between runs, so that none is computed twice.

Each is a file of plain arrays in the user's cache, named by the collection. It is a cache: where it
is damaged, or in the way, the map is computed again.
"""

from __future__ import annotations

import io
import logging
import stat
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.files.write import write_atomically

logger = logging.getLogger(__name__)

MOST_FILES = 64
"""Largest number of maps that are kept; of more, those used longest ago go."""

MOST_BYTES = 2**28
"""Largest file that is read: of ten million pictures."""

_LAYOUT = 1  # Increased where maps are made in another way, so that older ones are not used.


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A map as it is kept.

    Attributes
    ----------
    ids : int64 array (n,)
        Ids of the pictures, ascending.
    marks : uint64 array (n,)
        A mark of each vector, as `marks_of` makes them: an id may get another picture.
    places : float32 array (n, 2)
        Coordinates in [0, 1].
    added : int
        How many have been placed among others since all were laid out.
    """

    ids: NDArray[np.int64]
    marks: NDArray[np.uint64]
    places: NDArray[np.float32]
    added: int = 0

    def find(self, ids: NDArray[np.int64], marks: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the positions in this map of pictures, -1 for those that are not on it."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found = (self.ids[at] == ids) & (self.marks[at] == marks)
        return np.asarray(np.where(found, at, -1), np.int64)


def marks_of(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a number of each row that changes with its values, uint64 (n,).

    Examples
    --------
    >>> marks = marks_of(np.array([[0.6, 0.8], [0.8, 0.6]], np.float32))
    >>> bool(marks[0] == marks[1])
    False
    """
    weights = np.random.default_rng(0).integers(1, 2**63, rows.shape[1], dtype=np.uint64) | 1
    bits = np.ascontiguousarray(rows, np.float32).view(np.uint32)
    marks = np.empty(len(rows), np.uint64)
    for start in range(0, len(rows), 8192):  # whole, it would take twice the memory of the vectors
        marks[start : start + 8192] = (bits[start : start + 8192] * weights).sum(axis=1)
    return marks


def file_of(folder: Path, collection: Path) -> Path:
    """Return where the map of a collection is kept below a cache folder."""
    words = f"{_LAYOUT}\0{collection.resolve()}"
    name = sha256(words.encode("utf-8", "surrogateescape")).hexdigest()[:40]
    return folder / "maps" / f"{name}.npz"


def read(path: Path) -> Kept | None:
    """Return the map in a file; None where there is none, or it is damaged."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            kept = Kept(
                arrays["ids"], arrays["marks"], arrays["places"], int(arrays["added"].item())
            )
        path.touch()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        if not isinstance(error, FileNotFoundError):
            logger.warning("The map is computed again, as %s cannot be read: %s.", path, error)
        return None
    return kept if _is_whole(kept) else None


def write(path: Path, kept: Kept) -> None:
    """Keep a map; where that fails, the next run computes it again."""
    data = io.BytesIO()
    np.savez(data, ids=kept.ids, marks=kept.marks, places=kept.places, added=kept.added)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not stat.S_ISDIR(path.parent.lstat().st_mode):
            logger.warning("The map is not kept: %s is no folder.", path.parent)
            return
        write_atomically(path, data.getvalue())
        _make_room(path.parent)
    except (OSError, ClrSearchError) as error:
        logger.warning("The map is not kept: %s.", error)


def _is_whole(kept: Kept) -> bool:
    """Whether the arrays have the shapes, types and ranges that a map has."""
    count = len(kept.ids) if kept.ids.ndim == 1 else -1
    return (
        _is(kept.ids, np.int64, (count,))
        and _is(kept.marks, np.uint64, (count,))
        and _is(kept.places, np.float32, (count, 2))
        and bool(((kept.places >= 0) & (kept.places <= 1)).all())
        and bool((np.diff(kept.ids) > 0).all())
        and kept.added >= 0
    )


def _is(array: NDArray[Any], kind: type[np.generic], shape: tuple[int, ...]) -> bool:
    """Whether an array has a type and a shape."""
    return bool(array.dtype == kind) and array.shape == shape


def _make_room(folder: Path) -> None:
    """Delete the maps that were used longest ago."""
    maps = sorted(folder.glob("*.npz"), key=lambda path: path.lstat().st_mtime, reverse=True)
    for path in maps[MOST_FILES:]:
        with suppress(OSError):
            path.unlink()
