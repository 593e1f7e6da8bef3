"""What a reader holds in memory of one revision of a collection, and searching in it.

A generation of FAISS with its vectors, where there is one, and beside it as a matrix all items
embedded since. Items removed or embedded again since then are still in the generation; they are
known, and FAISS passes over them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann import generations
from clr_search.index.ann.base import SLACK, Ann, Selector
from clr_search.index.ann.generations import Generation
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.vectors import nearest

EXACT_FILTERED = 50_000
"""Most items a filter may leave for all of them to be scored. A graph or an inverted file searched
through a narrow filter fails quietly: it visits cells where nothing is allowed."""

_FEW = 1000  # up to so many are quicker read one by one than picked out of all by FAISS

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
    ann : Ann or None
        With the vectors of the generation.
    alive : int
        Items of the generation that are still what they were; 0 without one.
    among : Selector or None
        Their places, where they are not all of them.
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
        return Memory(revision, encoder, dimension, generation, loaded, alive, among, ids, rows)
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
    return Memory(revision, encoder, dimension, generation, left, alive, among, ids, rows)


def _alive(catalog: Catalog, index: Ann | None, base: int, alive: int) -> Selector | None:
    """Places of the items of a generation that are still what they were; None where all are."""
    if index is None or alive == index.count:
        return None
    there = embeddings.ids(catalog, newest=base)
    return Selector(np.isin(index.held.ids, there, assume_unique=True))


def search(
    memory: Memory,
    query: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.int64] | None,
    excluded: NDArray[np.int64],
) -> Found:
    """Ids and scores of the k nearest.

    Parameters
    ----------
    memory : Memory
        Of the collection.
    query : float32 array, shape (D,)
        Of unit length.
    k : int
        At least 1.
    allowed : int64 array, optional
        Ids, ascending, that a filter leaves.
    excluded : int64 array
        Ids to leave out.
    """
    kept = None  # a mask, since a copy of the rows takes longer than the scan
    if allowed is not None:
        if len(excluded):
            allowed = np.setdiff1d(allowed, excluded, assume_unique=True)
        if len(memory.ids):
            kept = np.isin(memory.ids, allowed, assume_unique=True)
    elif len(excluded):
        kept = ~np.isin(memory.ids, excluded)
    beside = nearest(memory.ids, memory.rows, query, k, kept)
    if memory.ann is None:
        return beside
    wanted = k + len(excluded)
    if allowed is None:
        places = _from_generation(memory.ann, query, wanted, memory.among)
    else:
        places = _allowed(memory.ann, query, k, allowed, memory.among)
    ids = memory.ann.held.ids[places]
    ids, scores = nearest(ids, memory.ann.held.rows(places), query, k, ~np.isin(ids, excluded))
    ids, scores = np.concatenate([beside[0], ids]), np.concatenate([beside[1], scores])
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]


def _allowed(
    index: Ann,
    query: NDArray[np.float32],
    k: int,
    allowed: NDArray[np.int64],
    among: Selector | None,
) -> NDArray[np.int64]:
    """Places of candidates that a filter leaves, or of all that it leaves."""
    places: NDArray[np.int64] = index.held.places(allowed)
    if among is not None:
        places = places[among.kept[places]]
    if len(places) <= _FEW:
        return places
    kept = np.zeros(index.count, dtype=bool)
    kept[places] = True
    if len(places) <= EXACT_FILTERED:
        places = index.exact(query[None], k + SLACK, Selector(kept))[0][0]
        return places[places >= 0]
    return _from_generation(index, query, k, Selector(kept))


def _from_generation(
    index: Ann, query: NDArray[np.float32], wanted: int, among: Selector | None
) -> NDArray[np.int64]:
    """Places of the nearest, at least `wanted` of them if there are as many.

    Where removed items or a filter leave too few in the cells visited, more are visited, in the end
    all: slower, never fewer.
    """
    returned, asked, probes, needed = index.effort(wanted, among)
    while True:
        found = index.search(query[None], returned, asked, probes, among)[0][0]
        places: NDArray[np.int64] = found[found >= 0]
        if len(places) >= needed or probes >= index.cells:
            return places
        probes *= 4
