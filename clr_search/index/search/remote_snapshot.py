"""`RemoteSnapshot`: a collection on a server at one revision, as it is searched there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import SLACK
from clr_search.index.ann.neighbours import Neighbours, nearest
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.filters import ALL, Filter
from clr_search.index.catalog.remote.protocol import Remote, Wanted
from clr_search.index.catalog.vectors import unit_rows

FEW = 1000
"""Up to so many items that match a filter, their vectors are read and scored here, exactly."""

_QUERIES = 1000
"""Queries of one request; Milvus takes 16,384."""

_ANSWERS = 200_000
"""Neighbours of one request, which bounds the bytes of its answer."""

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class RemoteSnapshot:
    """A collection on a server at one revision.

    Attributes
    ----------
    revision : int
        Revision of the collection.
    encoder : str
        SHA-256 of the encoder that made the vectors.
    dimension : int
        D, the length of a vector.
    catalog : Catalog
        The replica of the collection, inside `reading`.
    remote : Remote
        The server.
    """

    revision: int
    encoder: str
    dimension: int
    catalog: Catalog = field(repr=False)
    remote: Remote = field(repr=False)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None = None,
        excluded: NDArray[np.int64] = _NONE,
        *,
        where: Filter = ALL,
        precise: bool = False,
    ) -> Neighbours:
        """Find the k nearest items of each query; see `Snapshot.search`.

        With `precise`, what the server finds for a single query is scored again by the vectors
        themselves, in float64, as in a collection in a folder.
        """
        if not len(queries) or not self.catalog.count():
            return Neighbours.none(len(queries), k)
        if allowed is not None and len(allowed) <= FEW:
            numbers = np.setdiff1d(allowed, excluded, assume_unique=True)
            return self._scored(numbers, queries, k)
        if k + SLACK > self.remote.most_neighbours:
            return self._scan(queries, k, allowed, excluded)
        wanted = Wanted(where, allowed, excluded)
        if precise and len(queries) == 1:
            numbers, _ = self.remote.search(queries, k + SLACK, wanted)
            return self._scored(np.unique(numbers[numbers >= 0]), queries, k)
        step = max(1, min(_QUERIES, _ANSWERS // k))
        blocks = [
            self._block(queries[start : start + step], k, wanted)
            for start in range(0, len(queries), step)
        ]
        ids, scores = zip(*blocks, strict=True)
        return Neighbours(np.concatenate(ids), np.concatenate(scores))

    def _block(self, queries: NDArray[np.float32], k: int, wanted: Wanted) -> Neighbours:
        """Returns the neighbours of some queries, by the scores of the server."""
        found = Neighbours(*self.remote.search(queries, k, wanted)).best(k)
        missing = k - found.ids.shape[1]
        return found.joined(Neighbours.none(len(queries), missing)) if missing > 0 else found

    def _scored(
        self, numbers: NDArray[np.int64], queries: NDArray[np.float32], k: int
    ) -> Neighbours:
        """Returns the nearest of these items, by their vectors; ids of no item are left out."""
        ids, rows = embeddings.of(self.catalog, numbers.tolist(), self.dimension)
        return nearest(ids, rows, queries, k)

    def _scan(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None,
        excluded: NDArray[np.int64],
    ) -> Neighbours:
        """Returns more neighbours than the server gives, by a scan over all vectors."""
        best = Neighbours.none(len(queries), k)
        for ids, stored in embeddings.chunks(self.catalog, self.dimension):
            counted = ~np.isin(ids, excluded)
            if allowed is not None:
                counted &= np.isin(ids, allowed)
            rows = unit_rows(stored[counted].astype(np.float32))
            best = best.joined(nearest(ids[counted], rows, queries, k)).best(k)
        return best


def remote_snapshot(catalog: Catalog, remote: Remote) -> RemoteSnapshot:
    """Returns the snapshot of what the replica is at; the caller is inside `reading`."""
    facts = catalog.facts()
    return RemoteSnapshot(facts.revision, facts.encoder_sha256, facts.dimension, catalog, remote)
