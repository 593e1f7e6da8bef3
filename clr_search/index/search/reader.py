"""Searching a collection, at the newest revision, whoever writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search.index import encoder_file
from clr_search.index.ann.generations import DamagedError
from clr_search.index.ann.neighbours import Neighbours
from clr_search.index.catalog import embeddings, filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.search import latency
from clr_search.index.search.inventory import Inventory
from clr_search.index.search.matches import Match, Matches, Rows
from clr_search.index.search.query import Picture, Query, SearchOptions
from clr_search.index.search.ranking import CANDIDATES, chance_scores, percentiles, spread_out
from clr_search.index.search.resolve import Resolver
from clr_search.index.search.snapshot import Snapshot, refresh
from clr_search.progress import Reporter

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from clr_search.serve.encoder import Encoder

_Result = TypeVar("_Result")

_TIMED = 128
"""Searches that the latency is measured on."""


class Reader(Inventory):
    """The reading half of `Index`: search, beside what `Inventory` tells.

    Every method sees one snapshot of the collection, and each call the newest one, whoever writes.

    Parameters
    ----------
    catalog : Catalog
        Of the collection.
    reporter : Reporter
        Where messages on damage go.
    device : str
        On what to embed; see `serve.Encoder`.
    """

    def __init__(self, catalog: Catalog, reporter: Reporter, device: str) -> None:
        super().__init__(catalog)
        self._device = device
        self._reporter = reporter
        self._snapshot: Snapshot | None = None
        self._seen: tuple[int, int] | None = None  # version of the catalogue that it is of
        self._useless: int | None = None  # number of a generation whose file is damaged
        self._encoder: Encoder | None = None
        self._chance: tuple[int, NDArray[np.float32]] | None = None  # with its revision
        self._passing = filters.Passing()

    def search(
        self, query: Query | Picture, k: int = 10, **options: Unpack[SearchOptions]
    ) -> Matches:
        """The k pictures most like a query.

        Parameters
        ----------
        query : Query, path, int, bytes, PIL image, or uint8 array (H, W, 3)
            A `Query`, which says everything; or a picture to search by, or the id of an item.
        k : int
            How many; fewer come back where there are fewer. Not used with a `Query`.
        **options
            As the fields of `Query`: `like`, `unlike`, `where` (its filter; `under` and `label` are
            short for one), `include_self`, `diverse` (its diversity), `crop`.

        Returns
        -------
        Matches
            The nearest first.

        Raises
        ------
        UsageError
            If a value is out of range, a file does not exist, or the filters leave no item.
        ClrSearchError
            If a file is no usable picture.
        """
        asked = query if isinstance(query, Query) else Query.by(query, k)
        return self._in_snapshot(self._answer, asked.refined(**options) if options else asked)

    def search_vector(
        self,
        vector: NDArray[np.float32],
        k: int = 10,
        *,
        exclude: Sequence[int] | NDArray[np.int64] = (),
        **options: Unpack[SearchOptions],
    ) -> Matches:
        """The k pictures most like a vector, shape (D,), of any length; `exclude` leaves ids out.

        Raises
        ------
        UsageError
            As `search`, and if the vector has another shape or no direction.
        """
        query = Query(vectors=vector, k=k, exclude=np.asarray(exclude, dtype=np.int64).tolist())
        return self._in_snapshot(self._answer, query.refined(**options))

    def search_vectors(self, vectors: NDArray[np.float32], k: int = 10) -> Matches[Matches]:
        """The k pictures most like each of many vectors; much quicker than singly.

        Parameters
        ----------
        vectors : float32 array, shape (Q, D)
            Of any length but 0.
        k : int
            How many.

        Returns
        -------
        Matches
            Of every query; `ids` and `scores` have the shape (Q, k).

        Raises
        ------
        UsageError
            If k is less than 1, or a vector has another length or no direction.
        """
        query = Query(vectors=np.asarray(vectors), k=k)
        if self._snapshot is not None and self._seen and self._seen == self._catalog.version():
            return self._answers(self._snapshot, query)  # which asks nothing of the catalogue
        return self._in_snapshot(self._answers, query)

    def _answer(self, snapshot: Snapshot, query: Query) -> Matches:
        """The matches of one query, with their paths and labels."""
        found = self._neighbours(snapshot, query, precise=True)
        counted = found.ids[0] >= 0
        return self._described(snapshot, found.ids[0][counted], found.scores[0][counted])

    def _answers(self, snapshot: Snapshot, query: Query) -> Matches[Matches]:
        """The matches of each of many queries; their paths are read when they are looked at."""
        found = self._neighbours(snapshot, query, precise=False)
        ids, scores = found.ids, found.scores.astype(np.float32)

        def described(numbers: NDArray[np.int64], row: NDArray[np.float32]) -> Matches:
            with self._catalog.reading():
                known = self._catalog.items(numbers.tolist())
                there = np.isin(numbers, list(known))
                return self._described(snapshot, numbers[there], row[there])

        return Matches(Rows(ids, scores, described), ids, scores)

    def _neighbours(self, snapshot: Snapshot, query: Query, *, precise: bool) -> Neighbours:
        """Ids and scores of what a query finds; see `Snapshot.search`."""
        resolver = Resolver(
            self._catalog,
            snapshot.dimension,
            snapshot.encoder,
            lambda: self._encoder_of(snapshot.encoder),
        )
        resolved = resolver.resolve(query)
        allowed = self._passing.ids(self._catalog, query.filter, snapshot.revision)
        excluded = resolved.own[:0] if query.include_self else resolved.own
        if len(query.exclude):
            excluded = np.union1d(excluded, np.asarray(query.exclude, dtype=np.int64))
        wanted = CANDIDATES * query.k if query.diversity else query.k
        found = snapshot.search(resolved.vectors, wanted, allowed, excluded, precise=precise)
        found = self._like_enough(snapshot, found, query)
        return self._diverse(snapshot, found, query) if query.diversity else found

    def _like_enough(self, snapshot: Snapshot, found: Neighbours, query: Query) -> Neighbours:
        """What reaches the least score and the least percentile of the query."""
        if query.min_score is None and query.min_percentile is None:
            return found
        counted = np.ones(found.ids.shape, dtype=bool)
        if query.min_score is not None:
            counted &= found.scores >= query.min_score
        if query.min_percentile is not None:
            shares = percentiles(found.scores, self._by_chance(snapshot))
            counted &= False if shares is None else shares >= query.min_percentile
        ids, scores = np.where(counted, found.ids, -1), np.where(counted, found.scores, -np.inf)
        return Neighbours(ids, scores)

    def _diverse(self, snapshot: Snapshot, found: Neighbours, query: Query) -> Neighbours:
        """Returns the k neighbours of each row that `spread_out` chooses."""
        chosen = Neighbours.none(len(found.ids), query.k)
        scores = chosen.scores.astype(np.float64)
        for row, (ids, cosines) in enumerate(zip(*found, strict=True)):
            ids, cosines = ids[ids >= 0], cosines[ids >= 0]
            numbers, rows = embeddings.of(self._catalog, ids.tolist(), snapshot.dimension)
            vectors = rows[np.searchsorted(numbers, ids)]
            kept = spread_out(cosines, vectors, query.k, query.diversity)
            chosen.ids[row, : len(kept)], scores[row, : len(kept)] = ids[kept], cosines[kept]
        return Neighbours(chosen.ids, scores)

    def _described(
        self, snapshot: Snapshot, ids: NDArray[np.int64], scores: NDArray[np.floating]
    ) -> Matches:
        """Matches of one query, shape (k,), with what the catalogue knows of them."""
        items = self._catalog.items(ids.tolist())
        shares = percentiles(scores, self._by_chance(snapshot))
        told = [None] * len(ids) if shares is None else shares.tolist()
        ranked = zip(ids.tolist(), scores.tolist(), told, strict=True)
        return Matches(
            [
                Match(rank, number, items[number].path, score, items[number].label, share)
                for rank, (number, score, share) in enumerate(ranked, start=1)
            ]
        )

    def _by_chance(self, snapshot: Snapshot) -> NDArray[np.float32]:
        """Cosines of random pairs, of this revision."""
        if self._chance is None or self._chance[0] != snapshot.revision:
            self._chance = snapshot.revision, chance_scores(self._catalog, snapshot.dimension)
        return self._chance[1]

    def _in_snapshot(self, work: Callable[[Snapshot, Query], _Result], query: Query) -> _Result:
        """Answer a query at the newest revision.

        A file that is damaged in two snapshots in a row is not one that a writer has just replaced:
        the search then goes on without it. The same holds for the encoder after a rebuild.
        """
        failed: int | None = None
        missed = False
        while True:
            with self._catalog.reading():
                try:
                    self._snapshot = refresh(self._catalog, self._snapshot, self._useless)
                    self._seen = self._catalog.version()
                    return work(self._snapshot, query)
                except encoder_file.WrongEncoderError:
                    if missed:
                        raise
                    missed = True
                except DamagedError as error:
                    if failed == error.generation.number:
                        self._useless = failed
                        self._reporter.message(
                            f"{error.what} Searching exactly, which is slower; the next add or "
                            "build-index makes a new one."
                        )
                    failed = error.generation.number

    def latency(self) -> latency.Latency:
        """Time searches by pictures spread over the collection, one after the other."""
        with self._catalog.reading():
            ids = embeddings.ids(self._catalog)
            spread = np.linspace(0, len(ids) - 1, min(_TIMED, len(ids))).astype(np.int64)
            dimension = self._catalog.facts().dimension
            numbers, rows = embeddings.of(self._catalog, ids[spread].tolist(), dimension)
            return latency.measure(
                lambda vector, number: self.search_vector(vector, exclude=[number]), numbers, rows
            )

    @property
    def encoder(self) -> Encoder:
        """The encoder of the collection, loaded when first used."""
        with self._catalog.reading():
            return self._encoder_of(self._catalog.facts().encoder_sha256)

    def _encoder_of(self, sha256: str) -> Encoder:
        if self._encoder is None or self._encoder.sha256 != sha256:
            self._encoder = encoder_file.load(self._catalog.folder, sha256, self._device)
        return self._encoder
