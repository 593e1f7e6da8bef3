"""A collection at a glance: `IndexInfo`, and how it is gathered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from clr_search.index.ann.generations import named
from clr_search.index.ann.tuning import Tried
from clr_search.index.catalog.catalog import Catalog


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
        """The facts as `--json` prints them."""
        return asdict(self) | {"path": str(self.path), "roots": [str(root) for root in self.roots]}


def info_of(catalog: Catalog) -> IndexInfo:
    """The collection at a glance; inside `reading`."""
    facts, generation, count = catalog.facts(), named(catalog), catalog.count()
    alive = 0 if generation is None else catalog.count(newest=generation.revision)
    structure = "exact" if generation is None else generation.described
    return IndexInfo(
        path=catalog.folder,
        count=count,
        skipped=len(catalog.skipped()),
        dimension=facts.dimension,
        encoder_name=facts.encoder_name,
        encoder_sha256=facts.encoder_sha256,
        roots=tuple(Path(root.path) for root in catalog.roots()),
        structure=structure,
        generation=None if generation is None else generation.number,
        beside=0 if generation is None else count - alive,
        recall=None if generation is None else generation.recall,
        latency_ms=facts.latency_ms,
        recall_at_1=None if generation is None else generation.recall_at_1,
        latency_p99_ms=facts.latency_p99_ms,
        bytes_per_vector=None if generation is None else generation.bytes / generation.count,
        tried=() if generation is None else tuple(Tried(**one) for one in generation.tried),
        bytes_on_disk=sum(map(_size, catalog.folder.rglob("*"))),
    )


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:  # deleted by a writer meanwhile
        return 0
    return status.st_size if S_ISREG(status.st_mode) else 0
