"""Rows of the catalogue as values: pictures, roots, and files that were left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Item:
    """A picture in a collection.

    Attributes
    ----------
    id : int
        Never used twice.
    root : Path
        The folder it was indexed with.
    relative : str
        Path below `root`, with forward slashes.
    label : str or None
        Name of the folder it lies in; None directly below `root`.
    width, height : int
        Of the upright picture, in pixels.
    size, mtime_ns, sha256
        Size in bytes, time in ns and SHA-256 of the file as it was embedded.
    added_at : str
        When it first came in: ISO 8601, UTC.
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
        """Absolute path."""
        return self.root / self.relative


@dataclass(frozen=True, slots=True)
class SkippedItem:
    """A file that is no usable picture, or a folder that cannot be listed, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Content:
    """A file as it was embedded; `embedding` as by `vectors.to_blob`."""

    size: int
    mtime_ns: int
    sha256: str
    width: int
    height: int
    embedding: bytes

    def values(self) -> tuple[int, int, str, int, int, bytes]:
        """The fields in their order; `astuple` copies each, and takes longer than SQLite."""
        return (
            self.size,
            self.mtime_ns,
            self.sha256,
            self.width,
            self.height,
            self.embedding,
        )


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that items lie below; `given` if it was given itself, not a file in it."""

    id: int
    path: str
    given: bool


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """What tells whether a file has changed since it was embedded."""

    id: int
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was skipped, as it was then; `path` is absolute."""

    path: str
    size: int
    mtime_ns: int
    reason: str
