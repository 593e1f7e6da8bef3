"""Reading a collection: search, and looking at what is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index import encoder_file, maintenance
from clr_search.index.ann.generations import DamagedError, named
from clr_search.index.ann.neighbours import Neighbours
from clr_search.index.catalog import embeddings, filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.paths import place
from clr_search.index.catalog.records import IndexInfo, Item, SkippedItem
from clr_search.index.search import latency
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


class Reader:
    """The reading half of `Index`.

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
        self._catalog = catalog
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
        """Of each row the k that `spread_out` chooses."""
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
            dimension = int(self._catalog.meta("dimension"))
            numbers, rows = embeddings.of(self._catalog, ids[spread].tolist(), dimension)
            return latency.measure(
                lambda vector, number: self.search_vector(vector, exclude=[number]), numbers, rows
            )

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All calls inside see the collection as it is at the first of them.

        Needed where several answers must belong together, such as `vectors` and `labels`, while
        somebody else may be writing.
        """
        with self._catalog.reading():
            yield

    @property
    def path(self) -> Path:
        """The collection."""
        return self._catalog.folder

    @property
    def encoder(self) -> Encoder:
        """The encoder of the collection, loaded when first used."""
        with self._catalog.reading():
            return self._encoder_of(str(self._catalog.meta("encoder_sha256")))

    def _encoder_of(self, sha256: str) -> Encoder:
        if self._encoder is None or self._encoder.sha256 != sha256:
            self._encoder = encoder_file.load(self._catalog.folder, sha256, self._device)
        return self._encoder

    def __len__(self) -> int:
        with self._catalog.reading():
            return self._catalog.count()

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, (str, Path)):
            return False
        with self._catalog.reading():
            return self._catalog.at(place(path)) is not None

    def __repr__(self) -> str:
        return f"<Index {self._catalog.folder}>"

    def ids(
        self, *, under: str | None = None, label: str | None = None, where: Filter | None = None
    ) -> list[int]:
        """Ids of the items a filter leaves, ascending; empty only where there are no items.

        Raises
        ------
        UsageError
            If the filter leaves none, as `search`.
        """
        with self._catalog.reading():
            conditions = filters.joined(where or Filter(), under=under, label=label)
            found = filters.allowed(self._catalog, conditions)
            numbers = embeddings.ids(self._catalog) if found is None else found
        return [int(number) for number in numbers]

    def vectors(self, *, under: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """All ids, int64 (N,), ascending, and their unit vectors, float32 (N, D).

        With `under`, only of pictures below this folder; raises as `ids` if it has none.
        """
        with self._catalog.reading():
            dimension = int(self._catalog.meta("dimension"))
            if under is None:
                return embeddings.newer(self._catalog, -1, dimension)
            return embeddings.of(self._catalog, self.ids(under=under), dimension)

    def vectors_of(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Unit vectors of some items, float32 (n, D), in this order.

        Raises
        ------
        ClrSearchError
            If one is not, or no longer, in the collection.
        """
        with self._catalog.reading():
            self.items(numbers)
            dimension = int(self._catalog.meta("dimension"))
            known, rows = embeddings.of(self._catalog, numbers, dimension)
        return rows[np.searchsorted(known, np.asarray(numbers, dtype=np.int64))]

    def ids_with_content(self, sha256: str) -> list[int]:
        """Ids of the items whose files have this SHA-256."""
        with self._catalog.reading():
            return self._catalog.with_content(sha256)

    def labels(self) -> list[str | None]:
        """Labels of all items, in the order of `vectors`."""
        with self._catalog.reading():
            return self._catalog.labels()

    def item(self, number: int) -> Item:
        """An item by its id.

        Raises
        ------
        ClrSearchError
            If it is not, or no longer, in the collection.
        """
        return self.items([number])[0]

    def items(self, numbers: Sequence[int]) -> list[Item]:
        """Items by their ids, in that order.

        Raises
        ------
        ClrSearchError
            If one is not, or no longer, in the collection.
        """
        with self._catalog.reading():
            found = self._catalog.items(numbers)
        for number in numbers:
            if number not in found:
                raise ClrSearchError(f"{self._catalog.folder} has no item with the id {number}.")
        return [found[number] for number in numbers]

    def contents(self) -> dict[int, str]:
        """SHA-256 of the files of all items, by id."""
        with self._catalog.reading():
            return self._catalog.contents()

    def skipped(self) -> list[SkippedItem]:
        """Files that were left out, with their reasons, by path."""
        with self._catalog.reading():
            return [SkippedItem(Path(e.path), e.reason) for e in self._catalog.skipped()]

    def info(self) -> IndexInfo:
        """The collection at a glance."""
        with self._catalog.reading():
            return maintenance.info(self._catalog, named(self._catalog))
