"""`IndexInfo`: the size, encoder, search structure and speed of a collection."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clr_search import images
from clr_search.files.stores.address import located
from clr_search.index import contents
from clr_search.index.ann.choosing.tuning import Tried
from clr_search.index.ann.generations import Generation, named
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.remote.protocol import RemoteStructure


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """The size, encoder, search structure and speed of a collection.

    Attributes
    ----------
    path : Path
        Folder of the collection.
    count, skipped : int
        Number of pictures in it, and of files that were left out.
    dimension : int
        D, length of an embedding.
    encoder_name, encoder_sha256 : str
        Name and SHA-256 of its encoder; both are empty where it has none.
    roots : tuple of Path
        Folders that were indexed, absolute.
    structure : str
        ``"exact"``, or the FAISS structure such as ``"IVF512,SQ8"`` with its number of probes.
    generation : int or None
        Number of the FAISS file; None where search is exact.
    beside : int
        Number of items newer than the generation, which are searched exactly beside it.
    recall : float or None
        Measured recall@10 on held-out items, in [0, 1]; None where search is exact.
    latency_ms : float or None
        Measured median time of one search for 10 neighbours in milliseconds, without embedding
        the query.
    bytes_on_disk : int
        Size of the whole collection; for one on a server, of what of it is on this machine.
    recall_at_1 : float or None
        Measured share of nearest items that are found, in [0, 1]; None where search is exact.
    latency_p99_ms : float or None
        99th percentile of the time whose median is `latency_ms`.
    bytes_per_vector : float or None
        Size of the structure for each vector, on disk and in memory; None where search is exact.
    tried : tuple of Tried
        The structures that were tried on a sample, with their measurements.
    chosen_on : str
        The processor that the structure was chosen on, where that is known to be another one than
        this; empty otherwise.
    older_decoding : bool
        Whether some pictures may have been embedded by a release that decoded them in another way.
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
    chosen_on: str = ""
    older_decoding: bool = False

    def summary(self) -> dict[str, Any]:
        """Returns the fields as ``clr-search info --json`` prints them, with paths as strings."""
        return asdict(self) | {"path": str(self.path), "roots": [str(root) for root in self.roots]}


def info_of(catalog: Catalog) -> IndexInfo:
    """Gathers the `IndexInfo` of a collection; the caller is inside `Catalog.reading`."""
    facts, generation, count = catalog.facts(), named(catalog), catalog.count()
    alive = 0 if generation is None else catalog.count(newest=generation.revision)
    structure = "exact" if generation is None else generation.described
    remote = None if catalog.remote is None else catalog.remote.structure(catalog)
    return IndexInfo(
        path=catalog.folder.place,
        count=count,
        skipped=len(catalog.skipped()),
        dimension=facts.dimension,
        encoder_name=facts.encoder_name,
        encoder_sha256=facts.encoder_sha256,
        roots=tuple(located(root.path) for root in catalog.roots()),
        structure=structure if remote is None else remote.described,
        generation=None if generation is None else generation.number,
        beside=0 if generation is None else count - alive,
        recall=_measured(generation, remote, "recall"),
        latency_ms=facts.latency_ms,
        recall_at_1=_measured(generation, remote, "recall_at_1"),
        latency_p99_ms=facts.latency_p99_ms,
        bytes_per_vector=None if generation is None else generation.bytes / generation.count,
        tried=() if generation is None else tuple(Tried(**fields) for fields in generation.tried),
        chosen_on=generation.processor if generation and generation.chosen_elsewhere else "",
        older_decoding=count > 0 and facts.decoding < images.DECODING,
        bytes_on_disk=contents.size(catalog.folder),
    )


def _measured(
    generation: Generation | None, remote: RemoteStructure | None, name: str
) -> float | None:
    """Returns what was measured of the structure, here or on a server; None for an exact search."""
    source = remote or generation
    return None if source is None else getattr(source, name)
