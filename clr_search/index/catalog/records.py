"""Data classes for the rows of the catalogue: pictures, roots, and files that were left out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from clr_search.images import Note
from clr_search.index.catalog.paths import is_missing
from clr_search.index.catalog.vectors import checksum_of

_LEAST, _MOST = -(2**63), 2**63 - 1  # the whole numbers that SQLite can store


def countable(number: int) -> int:
    """Returns the nearest whole number that the catalogue can store.

    Examples
    --------
    >>> countable(3), countable(2**64) == 2**63 - 1
    (3, True)
    """
    return max(_LEAST, min(_MOST, number))


def time_of(status: os.stat_result) -> int:
    """Returns the time of the last change of a file, as the catalogue stores it.

    It is in nanoseconds since 1970, negative before. Nanoseconds that SQLite can count end in the
    year 2262, while cameras without a clock and broken entries on disks have any time: those beyond
    become the last one that can be counted.

    Examples
    --------
    >>> Path("a.jpg").touch()
    >>> os.utime("a.jpg", ns=(0, 17))
    >>> time_of(os.stat("a.jpg"))
    17
    """
    return countable(status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Item:
    """A picture in a collection.

    Attributes
    ----------
    id : int
        Number of the item; it is never used for another one.
    root : Path
        The folder that was indexed, absolute.
    relative : str
        Path below `root`, with forward slashes.
    label : str or None
        Name of the folder that the file lies in, unless another label was set; None directly
        below `root`.
    width, height : int
        Width and height of the upright picture in pixels.
    size, mtime_ns, sha256
        Size in bytes, time of the last change in nanoseconds, and SHA-256 of the file when it was
        embedded.
    added_at : str
        Time when the item was added, in ISO 8601 and UTC.
    """

    id: int
    root: Path
    relative: str
    label: str | None
    width: int
    height: int
    size: int
    mtime_ns: int
    sha256: str
    added_at: str

    @property
    def path(self) -> Path:
        """Absolute path of the file."""
        return self.root / self.relative

    def is_missing(self) -> bool:
        """Returns whether there is certainly no file now; one that cannot be read is there."""
        return is_missing(str(self.path))

    @property
    def is_without_file(self) -> bool:
        """Whether the vector was made elsewhere, and no update has read a file since."""
        return not (self.size or self.mtime_ns or self.width or self.height)


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """A file that is no usable picture, or a folder that cannot be listed, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class NotedItem:
    """A picture that was read, though not as it is usual.

    Attributes
    ----------
    path : Path
        Absolute path of the file.
    notes : tuple of Note
        What a person should know of how it was read, such as rows that are missing.
    """

    path: Path
    notes: tuple[Note, ...]

    @property
    def lossy(self) -> bool:
        """Whether a part of the picture is missing."""
        return any(note.kind == "loss" for note in self.notes)

    def __str__(self) -> str:
        """Returns the notes as text: ``read, 3 rows missing``."""
        return "read, " + "; ".join(note.what for note in self.notes)


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a file when it was embedded; `vectors.to_blob` made the `embedding`.

    The `checksum` is that of the embedding, computed here unless one is given: a copy of an item
    has that of the item, so that damage to a stored vector is not hidden by copying it.
    """

    size: int
    mtime_ns: int
    sha256: str
    width: int
    height: int
    embedding: bytes
    checksum: int | None = None

    def values(self) -> tuple[int, int, str, int, int, bytes, int]:
        """Returns the fields in order; `astuple` would copy each, and take longer than SQLite."""
        return (
            self.size,
            self.mtime_ns,
            self.sha256,
            self.width,
            self.height,
            self.embedding,
            checksum_of(self.embedding) if self.checksum is None else self.checksum,
        )


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that items lie below; `given` if the user named it, and not only a file in it."""

    id: int
    path: str
    given: bool


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """The size, time and SHA-256 of an item's file, which tell whether it has changed since."""

    id: int
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was skipped, with its size and time then; `path` is absolute."""

    path: str
    size: int
    mtime_ns: int
    reason: str
