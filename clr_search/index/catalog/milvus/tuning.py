"""The index of a collection on Milvus: exact while it is small, then a graph that is measured.

A graph (HNSW) is searched with an effort, ``ef``. The least one is taken with which the searches by
a sample of items find the share of their exact neighbours that was asked for. The exact ones are
what the server finds without a graph, just before it is built; later they are counted here, over
all vectors.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.files.strict_json import checked_fields, parse_object
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.milvus import expressions, schema
from clr_search.index.catalog.remote.protocol import RemoteStructure
from clr_search.index.catalog.sqlite.database import Database
from clr_search.progress import Reporter

if TYPE_CHECKING:
    from clr_search.index.catalog.milvus.connection import Connection

EXACT_ITEMS = 50_000
"""Up to so many items Milvus scans all vectors, which takes it some milliseconds."""

LEAST_RECALL = 0.99
"""The recall@10 to reach where none is asked for."""

KEY = "milvus_index"
"""Key of the fact with what was tuned."""

_GRAPH = {"M": 16, "efConstruction": 200}
_EFFORTS = (16, 32, 64, 128, 256, 512, 1024, 2048)
_GREATEST_EFFORT = 32_768  # more Milvus refuses
_SAMPLE = 200
_K = 10


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search is made with.

    Attributes
    ----------
    index : str
        The kind of index: ``"FLAT"`` or ``"HNSW"``.
    ef : int
        The effort of a graph; 0 without one.
    recall, recall_at_1 : float
        Measured shares of exact neighbours that are found; 1 without a graph.
    over : int
        The number of items when it was measured.
    asked : float
        The recall that was asked for.
    """

    index: str
    ef: int
    recall: float
    recall_at_1: float
    over: int
    asked: float


EXACT = Tuned("FLAT", 0, 1.0, 1.0, 0, 1.0)


def kept(database: Database) -> Tuned:
    """Returns what was tuned last; the caller is inside a transaction, or none is needed."""
    value = database.scalar("SELECT value FROM meta WHERE key = ?", KEY)
    try:
        return EXACT if value is None else Tuned(**checked_fields(parse_object(str(value)), Tuned))
    except (TypeError, ValueError) as error:
        raise ClrSearchError(
            f"{database.folder} has an unreadable entry on its index ({error}).",
            "Build the collection anew: clr-search build-index",
        ) from error


def keep(database: Database, tuned: Tuned) -> None:
    """Stores what was tuned, inside `writing`."""
    database.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", KEY, json.dumps(asdict(tuned)))


def described(tuned: Tuned, version: str) -> RemoteStructure:
    """Returns what `info` shows."""
    if tuned.index == "FLAT":
        return RemoteStructure(f"exact, by Milvus {version}", None, None)
    name = f"HNSW,M={_GRAPH['M']},ef={tuned.ef}, by Milvus {version}"
    return RemoteStructure(name, tuned.recall, tuned.recall_at_1)


def params(tuned: Tuned, k: int, allowed: int | None = None) -> dict[str, int]:
    """Returns the parameters of a search for k neighbours; Milvus wants an effort of k at least.

    Where only some items are `allowed`, the effort grows as their share falls: a graph passes
    through items that are not, and would end before it has met enough that are.

    Examples
    --------
    >>> params(EXACT, 10), params(Tuned("HNSW", 64, 0.99, 1.0, 10**6, 0.99), 100)
    ({}, {'ef': 100})
    >>> params(Tuned("HNSW", 64, 0.99, 1.0, 10**6, 0.99), 10, allowed=10**5)
    {'ef': 640}
    """
    if tuned.index == "FLAT":
        return {}
    narrowed = 1 if not allowed else max(1, tuned.over // allowed)
    return {"ef": max(min(tuned.ef * narrowed, _GREATEST_EFFORT), k)}


def settle(
    connection: Connection,
    catalog: Catalog,
    dimension: int,
    recall: float | None,
    reporter: Reporter,
) -> Tuned | None:
    """Builds and measures the index that the items need; returns None where it is right already.

    Parameters
    ----------
    connection : Connection
        A connection to the collection, of which this process is the writer.
    catalog : Catalog
        Its replica.
    dimension : int
        Length of its vectors.
    recall : float or None
        The recall@10 to reach, in (0, 1).
    reporter : Reporter
        The reporter that hears what is built.
    """
    asked = recall or LEAST_RECALL
    with catalog.reading():
        count, last = catalog.count(), kept(catalog.database)
    items = connection.address.collection
    there = str(connection.index(items, schema.VECTOR).get("index_type", "FLAT"))
    if count <= EXACT_ITEMS:
        # Other tenants may have more; a small collection that was large keeps its graph, too.
        return EXACT if there == "FLAT" and last.index != "FLAT" else None
    if there == last.index == "HNSW" and last.asked == asked and count < 2 * last.over:
        return None
    reporter.message(f"Building and measuring an index over {count:,} items on Milvus …")
    began = time.monotonic()
    with catalog.reading():
        queries = _sample(catalog, dimension)
        truth = None if there == "FLAT" else _exact(catalog, dimension, queries)
    if truth is None:
        truth = _found(connection, queries, EXACT)
        connection.change_index(items, schema.VECTOR, "HNSW", _GRAPH)
    tuned = _measured(connection, queries, truth, count, asked)
    reporter.message(
        f"Built in {time.monotonic() - began:.1f} s: HNSW, ef {tuned.ef}, measured recall@10 "
        f"{tuned.recall:.3f}."
    )
    if tuned.recall < asked:
        reporter.message(f"That is less than the {asked:g} asked for.")
    return tuned


def _measured(
    connection: Connection,
    queries: NDArray[np.float32],
    truth: NDArray[np.int64],
    count: int,
    asked: float,
) -> Tuned:
    """Returns the least effort that reaches the recall, or the greatest one."""
    tuned = EXACT
    for ef in _EFFORTS:
        found = _found(connection, queries, Tuned("HNSW", ef, 0.0, 0.0, count, asked))
        hits = [np.isin(row, wanted).mean() for row, wanted in zip(found, truth, strict=True)]
        firsts = float((found[:, 0] == truth[:, 0]).mean())
        tuned = Tuned("HNSW", ef, float(np.mean(hits)), firsts, count, asked)
        if tuned.recall >= asked:
            break
    return tuned


def _found(connection: Connection, queries: NDArray[np.float32], tuned: Tuned) -> NDArray[np.int64]:
    """Returns the ids of the neighbours that the server finds, shape (Q, 10)."""
    address = connection.address
    tenant = expressions.of_tenant(address.tenant)
    answers = connection.search(address.collection, list(queries), _K, tenant, params(tuned, _K))
    return np.array([[hit["id"] for hit in hits] for hits in answers], dtype=np.int64)


def _sample(catalog: Catalog, dimension: int) -> NDArray[np.float32]:
    """Returns queries that are like items, but none of them: each is moved towards another.

    They lie further off than most pictures that are searched by, and so ask for more effort: with
    a weight of 0.2, an effort was taken for enough that found 0.93 of what weights of 0.3 sought.
    """
    ids = embeddings.sample_of_ids(catalog, _SAMPLE)
    _, rows = embeddings.of(catalog, ids.tolist(), dimension)
    order = np.random.default_rng(0).permutation(len(rows))
    queries: NDArray[np.float32] = rows + np.float32(0.5) * rows[order]
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return queries


def _exact(catalog: Catalog, dimension: int, queries: NDArray[np.float32]) -> NDArray[np.int64]:
    """Returns the ids of the exact neighbours, counted here over all vectors, shape (Q, 10)."""
    best = np.full((len(queries), _K), -1, np.int64)
    scores = np.full(best.shape, -np.inf, np.float32)
    for numbers, rows in embeddings.chunks(catalog, dimension):
        wide = rows.astype(np.float32)
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        joined = np.concatenate([scores, queries @ wide.T], axis=1)
        names = np.concatenate([best, np.broadcast_to(numbers, (len(queries), len(numbers)))], 1)
        columns = np.argsort(-joined, axis=1)[:, :_K]
        row = np.arange(len(queries))[:, None]
        best, scores = names[row, columns], joined[row, columns]
    return best
