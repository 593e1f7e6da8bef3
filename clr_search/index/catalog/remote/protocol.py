"""`Remote`: a server that holds a collection, where that is not a folder on this machine.

The catalogue on this machine is then a replica: it follows the items of the server, without their
vectors, and everything that is written is given to the server before it is committed here. So all
that reads and changes a catalogue works on both, and only what really differs is named here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.catalog.paths import absolute, root_of

if TYPE_CHECKING:
    from clr_search.index.catalog.catalog import Catalog
    from clr_search.index.catalog.filters import Filter
    from clr_search.index.catalog.sqlite.database import Database
    from clr_search.progress import Reporter


@dataclass(frozen=True, slots=True)
class RemoteStructure:
    """How a server searches, and what was measured of it.

    Attributes
    ----------
    described : str
        The kind of its index with its parameters, such as ``"HNSW,M=16,ef=64"``.
    recall, recall_at_1 : float or None
        Measured share of the exact neighbours that are found, in [0, 1]; None where the server
        searches exactly.
    """

    described: str
    recall: float | None
    recall_at_1: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """Which items a search on a server may find.

    Attributes
    ----------
    where : Filter
        The conditions; a server that can check them itself needs no list of ids.
    allowed : int64 array or None
        Ids, ascending, of the items that meet them; None where there are no conditions.
    excluded : int64 array
        Ids of items that are left out.
    """

    where: Filter
    allowed: NDArray[np.int64] | None
    excluded: NDArray[np.int64]


class Remote(Protocol):
    """A server that holds the items and vectors of a collection.

    Every method raises `ClrSearchError` where the server cannot be reached or refuses.
    """

    @property
    def most_neighbours(self) -> int:
        """The most neighbours that one search can ask for."""

    def refresh(self, database: Database) -> None:
        """Brings the replica up to date with the server; no transaction is open."""

    def publish(self, database: Database) -> None:
        """Gives the server what the open transaction has changed; the caller then commits it."""

    def number_for(self, database: Database, path: str) -> int:
        """Returns the id for a new item at an absolute path, which no other item has."""

    def blobs(self, wanted: Mapping[int, int]) -> dict[int, bytes]:
        """Returns stored vectors by id, for ids with the checksums of their vectors.

        A vector with another checksum is returned as it is, so that the caller sees the damage;
        an id that the server does not have is left out.
        """

    def search(
        self, queries: NDArray[np.float32], k: int, wanted: Wanted
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns ids and cosines, shape (Q, k), falling; -1 and -inf where fewer were found."""

    def settle(self, catalog: Catalog, recall: float | None, reporter: Reporter) -> bool:
        """Builds the index that the items need now; returns whether anything was changed.

        `recall` is the least recall@10 to be measured; None for the server's own.
        """

    def structure(self, catalog: Catalog) -> RemoteStructure:
        """Returns how the server searches; the caller is inside `Catalog.reading`."""

    def refuse(self, what: str, instead: str) -> None:
        """Raises the UsageError for what makes no sense of a collection on a server."""

    def encoder_remedy(self, sha256: str) -> str:
        """Returns what to do where the encoder of the collection is not on this machine."""

    def close(self) -> None:
        """Closes the connection."""


def next_number(catalog: Catalog, root: int, relative: str) -> int | None:
    """Returns the id for a new item where a server gives ids; None lets SQLite count."""
    if catalog.remote is None:
        return None
    roots = {one.id: one.path for one in catalog.roots()}
    path = absolute(root_of(roots, root), relative)
    return catalog.remote.number_for(catalog.database, path)


def blobs_of(catalog: Catalog, wanted: Mapping[int, int]) -> dict[int, bytes]:
    """Returns the embeddings, by id, of items whose checksums are given, from the server.

    Raises
    ------
    ClrSearchError
        If the server does not have one any more.
    """
    assert catalog.remote is not None, "a collection in a folder has its embeddings there"
    found = catalog.remote.blobs(wanted)
    if len(found) < len(wanted):
        raise ClrSearchError(
            f"{catalog.folder} was changed by another process while it was read.",
            "Try again. If it stays so, Milvus has lost vectors: delete "
            f"{catalog.folder.real}, which is read anew, and run build-index.",
        )
    return found
