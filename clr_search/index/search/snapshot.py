"""`Snapshot`: a collection at one revision, as it is searched in memory.

It has two parts: the items of the FAISS generation, and a matrix of all newer items, which is
scanned. Items that were removed, or embedded again, stay in the file of the generation; a selector
makes FAISS pass over them. That of a collection on a server is in `remote_snapshot`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann import generations
from clr_search.index.ann.base import SLACK, Scorer, Selector
from clr_search.index.ann.generations import Generation
from clr_search.index.ann.neighbours import Neighbours, nearest
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.filters import ALL, Filter
from clr_search.index.search import arriving

EXACT_FILTERED = 50_000
"""Up to this many items that match a filter, all of them are scored. A graph or an inverted file
that is searched through a narrow filter misses items: it visits cells without any allowed item."""

_FEW = 1000
"""Up to this many items, reading their rows one by one is faster than a FAISS selector."""

_QUERIES = 1024
"""Queries that are answered at once; more are split into blocks, which bounds the memory."""

_NONE = np.empty(0, np.int64)


class Searchable(Protocol):
    """A collection at one revision, wherever it is searched."""

    @property
    def revision(self) -> int:
        """Revision of the collection."""

    @property
    def encoder(self) -> str:
        """SHA-256 of the encoder that made the vectors."""

    @property
    def dimension(self) -> int:
        """D, the length of a vector."""

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
        """Find the k nearest items of each query; see `Snapshot.search`."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A collection at one revision.

    Attributes
    ----------
    revision : int
        Revision of the collection.
    encoder : str
        SHA-256 of the encoder that made the vectors.
    dimension : int
        D, the length of a vector.
    generation : Generation or None
        The generation that `ann` was loaded from.
    ann : Scorer or None
        The search structure, or one that is still loaded, with the vectors of the generation.
    alive : int
        Number of items of the generation that are not removed or embedded again; 0 without one.
    among : Selector or None
        Positions of these items in the generation; None if they are all of its items.
    ids : int64 array, shape (n,)
        Ids, ascending, of the items outside the generation; of all items without a generation.
    rows : float32 array, shape (n, D)
        Unit vectors of the items of `ids`.
    """

    revision: int
    encoder: str
    dimension: int
    generation: Generation | None
    ann: Scorer | None = field(repr=False)
    alive: int
    among: Selector | None = field(repr=False)
    ids: NDArray[np.int64] = field(repr=False)
    rows: NDArray[np.float32] = field(repr=False)

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
        """Find the k nearest items of each query.

        Parameters
        ----------
        queries : float32 array, shape (Q, D)
            Unit vectors.
        k : int
            The number of neighbours of each query, at least 1.
        allowed : int64 array, optional
            Ids, ascending, of the items that match a filter; all items if not given.
        excluded : int64 array
            Ids, ascending, of items that are left out.
        where : Filter
            The filter that `allowed` passes, for a server that can check it without their ids.
        precise : bool
            Whether to rank the neighbours of a single query in float64, so that equal vectors have
            equal scores and are in the order of their ids; the search takes a third longer.

        Returns
        -------
        Neighbours
            Ids and scores, shape (Q, k).
        """
        if len(queries) > _QUERIES:
            blocks = [
                self.search(
                    queries[start : start + _QUERIES], k, allowed, excluded, precise=precise
                )
                for start in range(0, len(queries), _QUERIES)
            ]
            ids, scores = zip(*blocks, strict=True)
            return Neighbours(np.concatenate(ids), np.concatenate(scores))
        if not len(queries):
            return Neighbours.none(0, k)
        if allowed is not None and len(excluded):
            allowed, excluded = np.setdiff1d(allowed, excluded, assume_unique=True), _NONE
        neighbours = self._generation(queries, k, allowed, excluded, precise=precise)
        if neighbours is None:
            return self._beside(queries, k, allowed, excluded)
        if len(self.ids) or neighbours.ids.shape[1] < k:
            neighbours = neighbours.joined(self._beside(queries, k, allowed, excluded))
        return neighbours.best(k)

    def _beside(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None,
        excluded: NDArray[np.int64],
    ) -> Neighbours:
        """Returns the nearest of the items outside the generation."""
        counted = None
        if allowed is not None:
            counted = np.isin(self.ids, allowed, assume_unique=True)
        elif len(excluded):
            counted = ~np.isin(self.ids, excluded)
        return nearest(self.ids, self.rows, queries, k, counted)

    def _generation(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None,
        excluded: NDArray[np.int64],
        *,
        precise: bool,
    ) -> Neighbours | None:
        """Returns the nearest of the items of the generation; None if there is no generation."""
        if self.ann is None:
            return None
        if allowed is None:
            neighbours = self.ann.search(queries, k + len(excluded), self.among, precise=precise)
            return neighbours.without(excluded)
        positions: NDArray[np.int64] = self.ann.vectors.positions(allowed)
        if self.among is not None:
            positions = positions[self.among.counted[positions]]
        if len(positions) <= _FEW:
            rows = self.ann.vectors.rows(positions)
            return nearest(self.ann.vectors.ids[positions], rows, queries, k)
        counted = np.zeros(self.ann.count, dtype=bool)
        counted[positions] = True
        if len(positions) <= EXACT_FILTERED:
            return self.ann.exact(queries, k + SLACK, Selector(counted), precise=precise)
        return self.ann.search(queries, k, Selector(counted), precise=precise)


def refresh(catalog: Catalog, last: Snapshot | None, useless: int | None = None) -> Snapshot:
    """Returns a snapshot of the newest revision; only items that are new since `last` are read.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, inside `reading`.
    last : Snapshot, optional
        The previous snapshot, if there is one.
    useless : int, optional
        Number of a generation whose file is damaged, and which the snapshot goes without.

    Returns
    -------
    Snapshot
        The snapshot; `last` itself if nothing has changed.

    Raises
    ------
    DamagedError
        If the file of the generation is damaged.
    """
    revision = catalog.revision()
    if (
        last is not None
        and last.revision == revision
        and (last.generation is None or last.generation.number != useless)
    ):
        return last
    facts = catalog.facts()
    encoder, dimension = facts.encoder_sha256, facts.dimension
    generation = generations.named(catalog)
    if generation is not None and generation.number == useless:
        generation = None
    base = -1 if generation is None else generation.revision
    alive = 0 if generation is None else catalog.count(newest=base)
    if last is None or (last.encoder, last.generation) != (encoder, generation):
        loaded = None
        if generation is not None:
            loaded = arriving.opened(catalog.folder, generation, dimension)
        ids, rows = embeddings.newer(catalog, base, dimension)
        among = _alive(catalog, loaded, base, alive)
        loaded = loaded if alive else None  # items never return to a generation
        return Snapshot(revision, encoder, dimension, generation, loaded, alive, among, ids, rows)
    ids, rows = embeddings.newer(catalog, max(base, last.revision), dimension)
    newer_ids = embeddings.ids(catalog, newer_than=base)
    unchanged = np.isin(last.ids, newer_ids, assume_unique=True) & ~np.isin(last.ids, ids)
    if len(ids) or not unchanged.all():
        all_ids = np.concatenate([last.ids[unchanged], ids])
        order = np.argsort(all_ids)
        ids, rows = all_ids[order], np.concatenate([last.rows[unchanged], rows])[order]
    else:
        ids, rows = last.ids, last.rows
    # Items only ever leave a generation, so that an equal number means the same items.
    among = last.among if alive == last.alive else _alive(catalog, last.ann, base, alive)
    ann = last.ann if alive else None
    return Snapshot(revision, encoder, dimension, generation, ann, alive, among, ids, rows)


def _alive(catalog: Catalog, index: Scorer | None, base: int, alive: int) -> Selector | None:
    """Returns a selector of the items that are still current; None if all of them are."""
    if index is None or alive == index.count:
        return None
    current_ids = embeddings.ids(catalog, newest=base)
    return Selector(np.isin(index.vectors.ids, current_ids, assume_unique=True))
