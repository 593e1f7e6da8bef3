"""What a reader holds in memory of one revision of a collection, and searching in it.

A generation of FAISS with its vectors, where there is one, and beside it as a matrix all items
embedded since. Items removed or embedded again since then are still in the generation; they are
known, and drop out of the candidates.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clr_search.index import ann, embeddings, generations
from clr_search.index.catalog import Catalog
from clr_search.index.generations import Generation
from clr_search.index.stored import Stored
from clr_search.index.vectors import nearest

EXACT_FILTERED = 20_000
"""Most items a filter may leave for them to be scored one by one. A graph or an inverted file
searched through a narrow filter fails quietly: it visits cells where nothing is allowed."""

Found = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Memory:
    """One revision.

    Attributes
    ----------
    revision : int
        Of the collection.
    encoder : str
        SHA-256 of the encoder the vectors are of.
    dimension : int
        D.
    generation : Generation or None
        What `ann` was loaded from.
    stored : Stored or None
        The vectors of the generation; None for one of a former release, whose vectors are read from
        SQLite.
    alive : int
        Items of the generation that are still what they were; 0 without one.
    gone : int64 array
        The others, ascending.
    ids : int64 array, shape (n,)
        Items beside the generation (without one: all), ascending.
    rows : float32 array, shape (n, D)
        Their unit vectors.
    """

    revision: int
    encoder: str
    dimension: int
    generation: Generation | None
    ann: ann.Ann | None = field(repr=False)
    stored: Stored | None = field(repr=False)
    alive: int
    gone: NDArray[np.int64] = field(repr=False)
    ids: NDArray[np.int64] = field(repr=False)
    rows: NDArray[np.float32] = field(repr=False)

    @property
    def base(self) -> int:
        """Items embedded after this revision are beside the generation."""
        return -1 if self.generation is None else self.generation.revision

    def candidates(self, catalog: Catalog, found: NDArray[np.int64]) -> embeddings.Rows:
        """Those of these items of the generation that are still what they were.

        Parameters
        ----------
        catalog : Catalog
            Inside `reading`.
        found : int64 array
            Ids; those below 0 are none.
        """
        if self.stored is None:
            return embeddings.of(catalog, found.tolist(), self.dimension, newest=self.base)
        there = found[found >= 0]
        return self.stored.of(there[~np.isin(there, self.gone)] if len(self.gone) else there)


def refresh(catalog: Catalog, last: Memory | None, useless: int | None = None) -> Memory:
    """Bring the memory to the revision of this snapshot, reading only what is new.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    last : Memory, optional
        What was held so far.
    useless : int, optional
        Number of a generation whose file is of no use: do without it.

    Raises
    ------
    DamagedError
        If the file of the generation is of no use.
    """
    revision, encoder = int(catalog.meta("revision") or 0), str(catalog.meta("encoder_sha256"))
    dimension = int(catalog.meta("dimension"))
    generation = generations.named(catalog)
    if generation is not None and generation.number == useless:
        generation = None
    if last is not None and (last.revision, last.generation) == (revision, generation):
        return last
    base = -1 if generation is None else generation.revision
    alive = 0 if generation is None else catalog.count(newest=base)
    if last is None or (last.encoder, last.generation) != (encoder, generation):
        loaded, stored = None, None
        if generation is not None:
            loaded, stored = generations.load(catalog.folder, generation, dimension)
        ids, rows = embeddings.newer(catalog, base, dimension)
        gone = _gone(catalog, stored, base, alive)
        return Memory(
            revision, encoder, dimension, generation, loaded, stored, alive, gone, ids, rows
        )
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
    gone = last.gone if alive == last.alive else _gone(catalog, last.stored, base, alive)
    return Memory(
        revision, encoder, dimension, generation, last.ann, last.stored, alive, gone, ids, rows
    )


def _gone(catalog: Catalog, kept: Stored | None, base: int, alive: int) -> NDArray[np.int64]:
    """Items of a generation that are no longer what they were."""
    if kept is None or alive == len(kept.ids):
        return np.empty(0, np.int64)
    there = embeddings.ids(catalog, newest=base)
    return np.setdiff1d(kept.ids, there, assume_unique=True)


def search(
    memory: Memory,
    catalog: Catalog,
    query: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.int64] | None,
    excluded: NDArray[np.int64],
) -> Found:
    """Ids and scores of the k nearest.

    Parameters
    ----------
    memory : Memory
        Of this snapshot.
    catalog : Catalog
        Inside `reading`.
    query : float32 array, shape (D,)
        Of unit length.
    k : int
        At least 1.
    allowed : int64 array, optional
        Ids, ascending, that a filter leaves.
    excluded : int64 array
        Ids to leave out.
    """
    if allowed is not None:
        allowed = np.setdiff1d(allowed, excluded, assume_unique=True)
        if memory.ann is not None and len(allowed) <= EXACT_FILTERED:
            return nearest(*embeddings.of(catalog, allowed.tolist(), memory.dimension), query, k)
    kept = None  # a mask, since a copy of the rows takes longer than the scan
    if allowed is not None:
        kept = np.isin(memory.ids, allowed, assume_unique=True)
    elif len(excluded):
        kept = ~np.isin(memory.ids, excluded)
    beside = nearest(memory.ids, memory.rows, query, k, kept)
    if memory.ann is None:
        return beside
    among = _from_generation(memory, catalog, query, k + len(excluded), allowed)
    ids, scores = nearest(*among, query, k, ~np.isin(among[0], excluded))
    ids, scores = np.concatenate([beside[0], ids]), np.concatenate([beside[1], scores])
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]


def _from_generation(
    memory: Memory,
    catalog: Catalog,
    query: NDArray[np.float32],
    wanted: int,
    allowed: NDArray[np.int64] | None,
) -> embeddings.Rows:
    """Candidates that are still what they were, at least `wanted` of them if there are as many.

    Where removed items or a filter leave too few, more are asked for and more cells visited, in the
    end all: slower, never fewer.
    """
    index = memory.ann
    assert index is not None
    there = memory.alive
    count = ann.candidates(wanted) * index.width
    probes = index.probes_for(count)
    if allowed is not None:
        there = len(allowed) - int(np.isin(memory.ids, allowed).sum())
        probes = probes * index.count // max(there, 1)
    # Where some drop out, as many as were tuned for must be left, and more where these do not do:
    # of coarse codes the first ten that are left are not the ten nearest, least of all far out.
    whole = allowed is None and there == index.count
    needed = min(wanted if whole else count, there)
    first = True
    while True:
        found = index.search(query[None], count, probes, allowed)[0]
        rows = memory.candidates(catalog, found)
        complete = count >= index.count and probes >= index.cells
        if len(rows[0]) >= needed or complete:
            return rows
        if first and not whole:
            first, needed = False, min(8 * needed, there)
        count, probes = count * 4, probes * 4
