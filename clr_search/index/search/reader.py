"""`Reader`: searches of a collection, always at its newest revision."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search.index import encoder_file
from clr_search.index.ann.generations import DamagedError
from clr_search.index.ann.neighbours import Neighbours
from clr_search.index.catalog import embeddings, filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import store
from clr_search.index.search import latency
from clr_search.index.search.inventory import Inventory
from clr_search.index.search.matches import Match, Matches, Rows
from clr_search.index.search.query import Picture, Query, SearchOptions
from clr_search.index.search.ranking import candidates, chance_scores, percentiles, spread_out
from clr_search.index.search.remote_snapshot import remote_snapshot
from clr_search.index.search.resolve import Resolved, Resolver
from clr_search.index.search.snapshot import Searchable, Snapshot, refresh
from clr_search.progress import Reporter

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from clr_search.serve.encoder import Encoder

_Result = TypeVar("_Result")

_NONE = np.empty(0, np.int64)

_MANY = 100_000  # results of one query, beyond which no room is made for more than there are items

_TIMED = 128
"""Number of searches that the latency is measured on: they take less than a second."""

_TIMED_REMOTE = 4
"""The same for a collection on a server, where each may wait for its clock."""


class Reader(Inventory):
    """The reading half of `Index`: search, in addition to the lists of `Inventory`.

    Every method reads one snapshot of the collection. Each call reads the newest one, also while
    another process writes.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection.
    reporter : Reporter
        The reporter that shows messages about damaged files.
    device : str
        The device to embed on, as `serve.Encoder` takes it, such as ``"cpu"``.
    """

    def __init__(self, catalog: Catalog, reporter: Reporter, device: str) -> None:
        super().__init__(catalog)
        self._device = device
        self._reporter = reporter
        self._snapshot: Searchable | None = None
        self._seen: tuple[int, int] | None = None  # catalogue version of `_snapshot`
        self._useless: int | None = None  # number of a generation whose file is damaged
        self._encoder: Encoder | None = None
        self._chance: tuple[int, NDArray[np.float32]] | None = None  # revision and cosines
        self._passing = filters.Passing()
        self._places = embeddings.Places()

    def search(
        self, query: Query | Picture, k: int = 10, **options: Unpack[SearchOptions]
    ) -> Matches:
        """Find the k pictures most like a query.

        Parameters
        ----------
        query : Query, path, int, bytes, PIL image, or uint8 array (H, W, 3)
            A picture to search by, the id of an item, or a `Query`, which has all options itself.
        k : int
            The number of results, at least 1; fewer are returned if fewer items match. A `Query`
            has its own number.
        **options
            The keywords of `SearchOptions`, which `Query` describes: `like`, `unlike`, `where` (its
            `filter`; `under` and `label` are short for one), `include_self`, `diverse` (its
            `diversity`), `crop`, `min_score`, `min_percentile`.

        Returns
        -------
        Matches
            The neighbours, the nearest first.

        Raises
        ------
        UsageError
            If a value is out of range, a file does not exist, or no item matches the filter.
        ClrSearchError
            If a file is no usable picture.

        Examples
        --------
        ::

            for match in index.search("a.jpg", k=5, label="roses"):
                print(match.score, match.path)
        """
        full_query = query if isinstance(query, Query) else Query.by(query, k)
        return self._in_snapshot(self._answer, full_query.refined(**options))

    def search_vector(
        self,
        vector: NDArray[np.float32],
        k: int = 10,
        *,
        exclude: Sequence[int] | NDArray[np.int64] = (),
        **options: Unpack[SearchOptions],
    ) -> Matches:
        """Find the k pictures most like a vector.

        Parameters
        ----------
        vector : float32 array, shape (D,)
            A vector of any length but 0.
        k : int
            The number of results, at least 1.
        exclude : sequence of int
            Ids of items that are left out.
        **options
            The keywords of `search`.

        Returns
        -------
        Matches
            The neighbours, the nearest first.

        Raises
        ------
        UsageError
            If the vector has another shape or no direction, or as `search`.
        """
        query = Query(vectors=vector, k=k, exclude=np.asarray(exclude, dtype=np.int64).tolist())
        return self._in_snapshot(self._answer, query.refined(**options))

    def search_vectors(
        self,
        vectors: NDArray[np.float32],
        k: int = 10,
        *,
        exclude: Sequence[int] | NDArray[np.int64] = (),
        **options: Unpack[SearchOptions],
    ) -> Matches[Matches]:
        """Find the k pictures most like each of many vectors, faster than one search for each.

        Paths and labels are read only where they are looked at, so that it is also the way to many
        results of one vector.

        Parameters
        ----------
        vectors : float32 array, shape (Q, D)
            Vectors of any length but 0.
        k : int
            The number of results of each query, at least 1.
        exclude : sequence of int
            Ids of items that are left out.
        **options
            The keywords of `search`.

        Returns
        -------
        Matches
            The `Matches` of every query; `ids` and `scores` have the shape (Q, k).

        Raises
        ------
        UsageError
            If k is less than 1, or a vector has another length or no direction.
        """
        query = Query(vectors=np.asarray(vectors), k=k)
        if len(exclude) or options:
            excluded = np.asarray(exclude, dtype=np.int64).tolist()
            query = replace(query, exclude=excluded).refined(**options)
        if self._snapshot is not None and self._seen and self._seen == self._catalog.version():
            with contextlib.suppress(DamagedError):  # a structure that came late; said below
                return self._answers(self._snapshot, query)  # saves a transaction of the catalogue
        return self._in_snapshot(self._answers, query)

    def percentiles(self, scores: NDArray[np.floating]) -> NDArray[np.float64] | None:
        """Returns how unusual cosine similarities are in this collection.

        Parameters
        ----------
        scores : float array, shape (n,)
            Cosine similarities, in [-1, 1].

        Returns
        -------
        float64 array, shape (n,), or None
            The share, in per cent, of random pairs of the collection that are less alike; None if
            the collection has only one picture.

        Examples
        --------
        ::

            index.percentiles(np.array([0.9]))  # array([99.7])
        """
        with self._catalog.reading():
            self._snapshot = self._refreshed()
            return percentiles(np.asarray(scores), self._by_chance(self._snapshot))

    def _answer(self, snapshot: Searchable, query: Query) -> Matches:
        """Returns the matches of one query, with their paths and labels."""
        if query.k > _MANY:  # counting takes longer than room for fewer
            query = replace(query, k=max(1, min(query.k, self._catalog.count())))
        resolved = self._resolved(snapshot, query)
        neighbours = self._neighbours(snapshot, query, resolved, precise=True)
        counted = neighbours.ids[0] >= 0
        ids, scores = neighbours.ids[0][counted], neighbours.scores[0][counted]
        return self._described(snapshot, ids, scores, resolved.same, query.columns)

    def _answers(self, snapshot: Searchable, query: Query) -> Matches[Matches]:
        """Returns the matches of each of many queries; their paths are read on access."""
        resolved = self._resolved(snapshot, query)
        neighbours = self._neighbours(snapshot, query, resolved, precise=False)
        ids, scores = neighbours.ids, neighbours.scores.astype(np.float32, copy=False)

        def described(numbers: NDArray[np.int64], row: NDArray[np.float32]) -> Matches:
            """Returns the matches of one query, without items that have been removed since."""
            with self._catalog.reading():
                known = self._catalog.items(numbers.tolist())
                present = np.isin(numbers, list(known))
                return self._described(snapshot, numbers[present], row[present])

        return Matches(Rows(ids, scores, described), ids, scores)

    def _resolved(self, snapshot: Searchable, query: Query) -> Resolved:
        """Returns the vectors of a query, and the items that it is."""
        resolver = Resolver(
            self._catalog,
            snapshot.dimension,
            snapshot.encoder,
            lambda: self.encoder,
        )
        return resolver.resolve(query)

    def _neighbours(
        self, snapshot: Searchable, query: Query, resolved: Resolved, *, precise: bool
    ) -> Neighbours:
        """Returns the ids and scores of the neighbours of a query, by `Snapshot.search`."""
        allowed = self._passing.ids(self._catalog, query.filter, snapshot.revision)
        excluded = resolved.own[:0] if query.include_self else resolved.own
        if len(query.exclude):
            excluded = np.union1d(excluded, np.asarray(query.exclude, dtype=np.int64))
        count = candidates(query.k) if query.diversity else query.k
        neighbours = snapshot.search(
            resolved.vectors, count, allowed, excluded, where=query.filter, precise=precise
        )
        neighbours = self._like_enough(snapshot, neighbours, query)
        return self._diverse(snapshot, neighbours, query) if query.diversity else neighbours

    def _like_enough(self, snapshot: Searchable, found: Neighbours, query: Query) -> Neighbours:
        """Returns the neighbours that reach the least score and percentile of the query."""
        if query.min_score is None and query.min_percentile is None:
            return found
        passes = np.ones(found.ids.shape, dtype=bool)
        if query.min_score is not None:
            passes &= found.scores >= query.min_score
        if query.min_percentile is not None:
            shares = percentiles(found.scores, self._by_chance(snapshot))
            passes &= False if shares is None else shares >= query.min_percentile
        ids, scores = np.where(passes, found.ids, -1), np.where(passes, found.scores, -np.inf)
        return Neighbours(ids, scores)

    def _diverse(self, snapshot: Searchable, found: Neighbours, query: Query) -> Neighbours:
        """Returns the k neighbours of each query that `spread_out` chooses."""
        chosen = Neighbours.none(len(found.ids), query.k)
        scores = chosen.scores.astype(np.float64)
        for row, (ids, cosines) in enumerate(zip(*found, strict=True)):
            ids, cosines = ids[ids >= 0], cosines[ids >= 0]
            numbers, rows = embeddings.of(self._catalog, ids.tolist(), snapshot.dimension)
            vectors = rows[np.searchsorted(numbers, ids)]
            positions = spread_out(cosines, vectors, query.k, query.diversity)
            chosen.ids[row, : len(positions)] = ids[positions]
            scores[row, : len(positions)] = cosines[positions]
        return Neighbours(chosen.ids, scores)

    def _described(
        self,
        snapshot: Searchable,
        ids: NDArray[np.int64],
        scores: NDArray[np.floating],
        same: NDArray[np.int64] = _NONE,
        columns: Sequence[str] = (),
    ) -> Matches:
        """Returns the matches of one query with their paths, labels, percentiles and columns.

        `same` are the ids of items with the content of the query.
        """
        numbers = [*ids.tolist(), *same.tolist()]
        places = self._places.of(self._catalog, numbers, snapshot.revision)
        shares = percentiles(scores, self._by_chance(snapshot))
        percents = [None] * len(ids) if shares is None else shares.tolist()
        ranked = zip(ids.tolist(), scores.tolist(), percents, strict=True)
        values = store.rows_of(self._catalog, ids.tolist(), columns)
        matches = []
        for rank, (number, score, share) in enumerate(ranked, start=1):
            path, label = places[number]
            own = values.get(number, {})
            matches.append(Match(rank, number, path, score, label, share, columns=own))
        return Matches(matches, same=[places[number][0] for number in same.tolist()])

    def _refreshed(self) -> Searchable:
        """Returns a snapshot of the newest revision; the caller is inside `reading`."""
        if self._catalog.remote is not None:
            return remote_snapshot(self._catalog, self._catalog.remote)
        last = self._snapshot if isinstance(self._snapshot, Snapshot) else None
        return refresh(self._catalog, last, self._useless)

    def _by_chance(self, snapshot: Searchable) -> NDArray[np.float32]:
        """Returns the cosines of random pairs, cached by revision: every search needs them."""
        if self._chance is None or self._chance[0] != snapshot.revision:
            self._chance = snapshot.revision, chance_scores(self._catalog, snapshot.dimension)
        return self._chance[1]

    def _in_snapshot(self, work: Callable[[Searchable, Query], _Result], query: Query) -> _Result:
        """Answers a query at the newest revision.

        A writer may replace the file of a generation while it is loaded, so that it seems damaged;
        the query is then tried again. If the same file is damaged twice, the search goes on without
        it. A wrong encoder, as after a rebuild, is tried a second time, too.
        """
        failed: int | None = None
        missed = False
        while True:
            with self._catalog.reading():
                try:
                    self._snapshot = self._refreshed()
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
                            f"{error.what} {error.remedy}".rstrip() + " "
                            "Searching exactly, which is slower; the next add or "
                            "build-index makes a new one."
                        )
                    failed = error.generation.number

    def latency(self) -> latency.Latency:
        """Measure the times of single searches, by items spread evenly over the collection."""
        with self._catalog.reading():
            ids = embeddings.ids(self._catalog)
            most = _TIMED if self._catalog.remote is None else _TIMED_REMOTE
            spread = np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(np.int64)
            dimension = self._catalog.facts().dimension
            numbers, rows = embeddings.of(self._catalog, ids[spread].tolist(), dimension)
            if self._catalog.remote is None and rows.any():
                # Many at once wait until a large structure is loaded.
                self.search_vectors(np.repeat(rows[rows.any(axis=1)][:1], _TIMED, axis=0))
            return latency.measure(
                lambda vector, number: self.search_vector(vector, exclude=[number]), numbers, rows
            )

    @property
    def encoder(self) -> Encoder:
        """The encoder of the collection, loaded when first used.

        Raises
        ------
        UsageError
            If the collection has none, as one of vectors that were made elsewhere.
        ClrSearchError
            If its file is missing, or has been altered.
        """
        with self._catalog.reading():
            facts = self._catalog.facts()
            encoder_file.require(self._catalog.folder, facts)
            sha256 = facts.encoder_sha256
            if self._encoder is None or self._encoder.sha256 != sha256:
                self._encoder = encoder_file.load(
                    self._catalog.folder, sha256, self._device, self._catalog.remote
                )
            return self._encoder

    def require_encoder(self) -> None:
        """Raises the UsageError of `encoder` if the collection has none; it loads nothing."""
        with self._catalog.reading():
            encoder_file.require(self._catalog.folder, self._catalog.facts())
