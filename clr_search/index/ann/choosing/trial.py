"""`Trial`: a search structure, and the queries by which its recall and its time are measured."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clr_search.index.ann.base import Ann
from clr_search.index.ann.mapped_vectors import MappedVectors

NEIGHBOURS = 10
"""Neighbours of each query: recall is recall@10."""

_TIMED, _ROUNDS = 64, 3  # queries whose time is measured, and how often; the quickest round counts
_MANY = 256  # queries that are asked at once where many at once are timed
_TIE = 2e-6  # difference of two float32 products that are equal but summed in another order


@dataclass(frozen=True, slots=True)
class Truth:
    """Queries, and the scores of their true neighbours."""

    positions: NDArray[np.int64]  # (Q,): the position of each query that is an item; else -1
    queries: NDArray[np.float32]  # (Q, D)
    scores: NDArray[np.float32]  # (Q, 10): scores of the true neighbours, ascending

    @classmethod
    def of(cls, vectors: MappedVectors, seed: int, most: int) -> Truth:
        """Takes a random sample of at most `most` items as queries."""
        generator = np.random.default_rng(seed + 1)
        count = len(vectors.ids)
        positions = generator.choice(count, min(count, most), replace=False)
        return cls.within(vectors, vectors.rows(positions), positions)

    @classmethod
    def within(
        cls,
        vectors: MappedVectors,
        queries: NDArray[np.float32],
        positions: NDArray[np.int64] | None = None,
    ) -> Truth:
        """Finds the true neighbours of queries by products with all vectors.

        `positions` are those of the queries among the vectors; without them, no query is an item.
        """
        import faiss

        own = np.full(len(queries), -1) if positions is None else positions
        best = np.full((len(queries), NEIGHBOURS), -np.inf, dtype=np.float32)
        for start, rows in vectors.chunks():
            k = min(NEIGHBOURS + 1, len(rows))
            scores, indices = faiss.knn(queries, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
            scores[indices + start == own[:, None]] = -np.inf  # no item is its own neighbour
            best = np.sort(np.concatenate([best, scores], axis=1), axis=1)[:, -NEIGHBOURS:]
        return cls(own, queries, best)

    @property
    def tuned(self) -> slice:
        """The queries that the effort is tuned on."""
        return slice(0, len(self.positions) // 2)

    @property
    def measured(self) -> slice:
        """The queries that recall is measured with."""
        return slice(len(self.positions) // 2, None)


@dataclass(frozen=True, slots=True)
class Trial:
    """An index, and the true neighbours that it should find."""

    ann: Ann
    truth: Truth

    def recall(self, part: slice) -> tuple[float, float]:
        """Returns recall@10 and recall@1 on some of the queries; ties count as found."""
        index, truth = self.ann, self.truth
        wanted = NEIGHBOURS + 1  # a query that is an item finds itself first
        scored = index.scored_for(wanted)
        positions, products = index.candidates(truth.queries[part], wanted, scored, index.probes)
        products[(positions < 0) | (positions == truth.positions[part][:, None])] = -np.inf
        scores = products * index.vectors.scale[positions]
        true = truth.scores[part]
        hits = np.minimum((scores >= true[:, :1] - _TIE).sum(axis=1), NEIGHBOURS)
        first = (scores >= true[:, -1:] - _TIE).any(axis=1)
        return float(hits.mean() / NEIGHBOURS), float(first.mean())

    def seconds(self, rounds: int = _ROUNDS) -> float:
        """Returns the median time of one search in seconds, in the quickest of some rounds."""
        index, medians = self.ann, []
        scored = index.scored_for(NEIGHBOURS)
        for _ in range(rounds):
            times = []
            for query in self.truth.queries[:_TIMED]:
                began = time.perf_counter()
                index.candidates(query[None], NEIGHBOURS, scored, index.probes)
                times.append(time.perf_counter() - began)
            medians.append(float(np.median(times)))
        return min(medians)

    def seconds_of_many(self) -> float:
        """Returns the time of one of many searches that are asked at once, in seconds."""
        index, queries = self.ann, self.truth.queries[:_MANY]
        began = time.perf_counter()
        index.candidates(queries, NEIGHBOURS, index.scored_for(NEIGHBOURS), index.probes)
        return (time.perf_counter() - began) / len(queries)
