"""`Snapshot`: a collection at one revision, as it is searched in memory.

It has two parts: the items of the FAISS generation, and all others as a matrix beside it, which is
scanned. Items that were removed, or embedded again, stay in the file of the generation; they are
known, and FAISS passes over them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann import generations
from clr_search.index.ann.base import SLACK, Ann, Selector
from clr_search.index.ann.generations import Generation
from clr_search.index.ann.neighbours import Neighbours, nearest
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog

EXACT_FILTERED = 50_000
"""Most items a filter may leave for all of them to be scored. A graph or an inverted file searched
through a narrow filter fails quietly: it visits cells where nothing is allowed."""

_FEW = 1000
"""Up to so many items are read one by one sooner than FAISS picks them out of all."""

_QUERIES = 1024
"""Queries that are answered together."""

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A collection at one revision.

    Attributes
    ----------
    revision : int
        Of the collection.
    encoder : str
        SHA-256 of the encoder the vectors are of.
    dimension : int
        D, the length of a vector.
    generation : Generation or None
        What `ann` was loaded from.
    ann : Ann or None
        The search structure with the vectors of the generation.
    alive : int
        Items of the generation that are still what they were; 0 without one.
    among : Selector or None
        Their positions, where they are not all of them.
    ids : int64 array, shape (n,)
        Items beside the generation (without one: all), ascending.
    rows : float32 array, shape (n, D)
        Their unit vectors.
    """

    revision: int
    encoder: str
    dimension: int
    generation: Generation | None
    ann: Ann | None = field(repr=False)
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
        precise: bool = False,
    ) -> Neighbours:
        """The k nearest items of each query, of one query or of many.

        Parameters
        ----------
        queries : float32 array, shape (Q, D)
            Unit vectors.
        k : int
            How many; at least 1.
        allowed : int64 array, optional
            Ids, ascending, that a filter leaves; all items where it is not given.
        excluded : int64 array
            Ids that are left out, ascending.
        precise : bool
            Rank the neighbours of a single query in float64, so that equal vectors have equal
            scores and stand in the order of their ids; it takes a third longer.

        Returns
        -------
        Neighbours
            Of k columns.
        """
        if len(queries) > _QUERIES:
            parts = [
                self.search(
                    queries[start : start + _QUERIES], k, allowed, excluded, precise=precise
                )
                for start in range(0, len(queries), _QUERIES)
            ]
            ids, scores = zip(*parts, strict=True)
            return Neighbours(np.concatenate(ids), np.concatenate(scores))
        if not len(queries):
            return Neighbours.none(0, k)
        if allowed is not None and len(excluded):
            allowed, excluded = np.setdiff1d(allowed, excluded, assume_unique=True), _NONE
        found = self._generation(queries, k, allowed, excluded, precise=precise)
        if found is None:
            return self._beside(queries, k, allowed, excluded)
        if len(self.ids) or found.ids.shape[1] < k:
            found = found.joined(self._beside(queries, k, allowed, excluded))
        return found.best(k)

    def _beside(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None,
        excluded: NDArray[np.int64],
    ) -> Neighbours:
        """The nearest of the items beside the generation."""
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
        """The nearest of the items of the generation; None where there are none."""
        if self.ann is None:
            return None
        if allowed is None:
            found = self.ann.search(queries, k + len(excluded), self.among, precise=precise)
            return found.without(excluded)
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
    """Bring a snapshot to the revision of the catalogue, reading only what is new.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    last : Snapshot, optional
        The snapshot so far.
    useless : int, optional
        Number of a generation whose file is damaged: the search does without it.

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
            loaded = generations.load(catalog.folder, generation, dimension)
        ids, rows = embeddings.newer(catalog, base, dimension)
        among = _alive(catalog, loaded, base, alive)
        loaded = loaded if alive else None  # nothing of it is left, and nothing comes back
        return Snapshot(revision, encoder, dimension, generation, loaded, alive, among, ids, rows)
    ids, rows = embeddings.newer(catalog, max(base, last.revision), dimension)
    there = embeddings.ids(catalog, newer_than=base)
    kept = np.isin(last.ids, there, assume_unique=True) & ~np.isin(last.ids, ids)
    if len(ids) or not kept.all():
        together = np.concatenate([last.ids[kept], ids])
        order = np.argsort(together)
        ids, rows = together[order], np.concatenate([last.rows[kept], rows])[order]
    else:
        ids, rows = last.ids, last.rows
    # Items only ever leave a generation: as many as before are the same ones.
    among = last.among if alive == last.alive else _alive(catalog, last.ann, base, alive)
    left = last.ann if alive else None
    return Snapshot(revision, encoder, dimension, generation, left, alive, among, ids, rows)


def _alive(catalog: Catalog, index: Ann | None, base: int, alive: int) -> Selector | None:
    """Positions of the items of a generation that are still what they were; None where all are."""
    if index is None or alive == index.count:
        return None
    there = embeddings.ids(catalog, newest=base)
    return Selector(np.isin(index.vectors.ids, there, assume_unique=True))
