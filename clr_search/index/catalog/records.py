"""What an index tells of itself, of its items, and of an update."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clr_search.index.ann.tuning import Tried


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
        Of the file as it was embedded.
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
class UpdateReport:
    """What an update did.

    Attributes
    ----------
    added, changed, moved, removed, unchanged : int
        Pictures that came in, were embedded again since their content changed, are the same items
        under another path, left, or stayed. A file that was only touched is unchanged.
    skipped : tuple of SkippedItem
        Every file in the given folders that is left out, those known from earlier runs included,
        and every folder that cannot be listed.
    untold : bool
        Whether pictures may change with nothing happening at their own paths: symbolic links lie
        in the given folders, or folders that cannot be listed.
    passed_over : tuple of (str, int)
        Kinds of pictures that are not read, such as ``"JPEG XL"``, and how many files of the given
        folders are of them by their names; empty where only the places were looked at that had
        changed.
    """

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    skipped: tuple[SkippedItem, ...] = ()
    untold: bool = False
    passed_over: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """A collection at a glance.

    Attributes
    ----------
    path : Path
        The collection.
    count, skipped : int
        Pictures in it, and files left out.
    dimension : int
        D, length of an embedding.
    encoder_name, encoder_sha256 : str
        The encoder it belongs to.
    roots : tuple of Path
        Folders that were indexed.
    structure : str
        ``"exact"``, or the FAISS structure such as ``"IVF512,SQ8"`` with its number of probes.
    generation : int or None
        Number of the FAISS file; None where search is exact.
    beside : int
        Items newer than the generation, searched exactly beside it.
    recall : float or None
        Measured recall@10 of the structure on held-out items; None where search is exact.
    latency_ms : float or None
        Measured median time of one search for 10 neighbours, without embedding the query.
    bytes_on_disk : int
        Of the whole collection.
    recall_at_1 : float or None
        As `recall`, of the nearest item.
    latency_p99_ms : float or None
        As `latency_ms`, exceeded by one search in a hundred.
    bytes_per_vector : float or None
        Of the structure, on disk and in memory; None where search is exact.
    tried : tuple of Tried
        The structures that were tried on a sample.
    """

    path: Path
    count: int
    skipped: int
    dimension: int
    encoder_name: str
    encoder_sha256: str
    roots: tuple[Path, ...]
    structure: str
    generation: int | None
    beside: int
    recall: float | None
    latency_ms: float | None
    bytes_on_disk: int
    recall_at_1: float | None = None
    latency_p99_ms: float | None = None
    bytes_per_vector: float | None = None
    tried: tuple[Tried, ...] = ()

    def summary(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"path": str(self.path), "roots": [str(root) for root in self.roots]}
