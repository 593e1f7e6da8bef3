"""What a reader holds in memory of one revision of a collection, and searching in it.

A generation of FAISS, where there is one, and beside it as a matrix all items embedded since. Items
removed or embedded again since then are still in FAISS; they drop out when the candidates are
looked up in SQLite, which also gives the vectors that the final scores are computed from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clr_search.index import ann, embeddings, generations
from clr_search.index.catalog import Catalog
from clr_search.index.generations import Generation
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
    alive : int
        Items of the generation that are still what they were; 0 without one.
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
    alive: int
    ids: NDArray[np.int64] = field(repr=False)
    rows: NDArray[np.float32] = field(repr=False)

    @property
    def base(self) -> int:
        """Items embedded after this revision are beside the generation."""
        return -1 if self.generation is None else self.generation.revision


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
        loaded = None
        if generation is not None:
            loaded = generations.load(catalog.folder, generation, dimension)
        ids, rows = embeddings.newer(catalog, base, dimension)
        return Memory(revision, encoder, dimension, generation, loaded, alive, ids, rows)
    ids, rows = embeddings.newer(catalog, max(base, last.revision), dimension)
    there = embeddings.ids(catalog, newer_than=base)
    kept = np.isin(last.ids, there, assume_unique=True) & ~np.isin(last.ids, ids)
    if len(ids) or not kept.all():
        together = np.concatenate([last.ids[kept], ids])
        order = np.argsort(together)
        ids, rows = together[order], np.concatenate([last.rows[kept], rows])[order]
    else:
        ids, rows = last.ids, last.rows
    return Memory(revision, encoder, dimension, generation, last.ann, alive, ids, rows)


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
    index, revision = memory.ann, memory.base
    assert index is not None
    there = memory.alive
    count = ann.candidates(wanted) * index.width
    probes = index.probes_for(count)
    if allowed is not None:
        there = len(allowed) - int(np.isin(memory.ids, allowed).sum())
        probes = probes * index.count // max(there, 1)
    while True:
        found = index.search(query[None], count, probes, allowed)[0]
        rows = embeddings.of(catalog, found.tolist(), memory.dimension, newest=revision)
        complete = count >= index.count and probes >= index.cells
        if len(rows[0]) >= min(wanted, there) or complete:
            return rows
        count, probes = count * 4, probes * 4
