"""Searching a collection, at the newest revision, whoever writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.images import Crop
from clr_search.index import encoder_file
from clr_search.index.ann.generations import DamagedError
from clr_search.index.catalog import embeddings, filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.vectors import as_queries, as_query
from clr_search.index.search import batch, snapshot
from clr_search.index.search.chance import chance_scores, percentiles
from clr_search.index.search.diverse import CANDIDATES, spread_out
from clr_search.index.search.inventory import Inventory
from clr_search.index.search.matches import Match, Matches
from clr_search.index.search.query import Asker, Query
from clr_search.index.search.snapshot import Memory
from clr_search.progress import Reporter

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder

_Result = TypeVar("_Result")


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
        self._memory: Memory | None = None
        self._seen: tuple[int, int] | None = None  # version of the catalogue that it is of
        self._useless: int | None = None  # number of a generation whose file is damaged
        self._encoder: Encoder | None = None
        self._chance: tuple[int, NDArray[np.float32]] | None = None  # with its revision
        self._passing = filters.Passing()

    def search(
        self,
        query: Query,
        k: int = 10,
        *,
        like: Sequence[Path | str] = (),
        unlike: Sequence[Path | str] = (),
        under: str | None = None,
        label: str | None = None,
        where: Filter | None = None,
        include_self: bool = False,
        diverse: float = 0.0,
        crop: Crop | None = None,
    ) -> Matches:
        """The k pictures most like a query.

        Parameters
        ----------
        query : path, int, PIL image, or uint8 array (H, W, 3)
            A picture, or the id of an item.
        k : int
            How many; fewer come back where there are fewer.
        like, unlike : sequence of path
            Pictures that the results should be more, or less, like: the search is for
            normalise(q + mean(like) − mean(unlike)), all vectors being of unit length.
        under : str, optional
            Only pictures below this folder: absolute, or relative to an indexed folder.
        label : str, optional
            Only pictures with this label.
        where : Filter, optional
            Further conditions.
        include_self : bool
            Keep items that are the query or one of `like`, by their path or else their content.
        diverse : float
            In [0, 1]: how much the results should differ from each other, by maximal marginal
            relevance among five times as many; see `diverse.spread_out`.
        crop : (left, top, width, height), optional
            Search by this part of the query, given in fractions of its width and height.

        Raises
        ------
        UsageError
            If k is less than 1, `diverse` or `crop` is out of range, a file does not exist, or the
            filters leave no item.
        ClrSearchError
            If a file is no usable picture.
        """
        _check(k, diverse)
        conditions = filters.joined(where or Filter(), under=under, label=label)

        def work(held: Memory) -> Matches:
            asker = Asker(self._catalog, held.dimension, lambda: self._encoder_of(held.encoder))
            asked = asker.combined(query, like, unlike, crop)
            own = () if include_self else asked.own
            return self._search(held, asked.vector, k, conditions, own, diverse)

        return self._with_memory(work)

    def search_vector(
        self,
        vector: NDArray[np.float32],
        k: int = 10,
        *,
        under: str | None = None,
        label: str | None = None,
        where: Filter | None = None,
        exclude: Sequence[int] | NDArray[np.int64] = (),
        diverse: float = 0.0,
    ) -> Matches:
        """The k pictures most like a vector, shape (D,), of any length; `exclude` leaves ids out.

        Raises
        ------
        UsageError
            As `search`, and if the vector has another shape or no direction.
        """
        _check(k, diverse)
        conditions = filters.joined(where or Filter(), under=under, label=label)
        return self._with_memory(
            lambda held: self._search(held, vector, k, conditions, exclude, diverse)
        )

    def search_vectors(
        self, vectors: NDArray[np.float32], k: int = 10
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids and scores of the k items most like each of many vectors; much quicker than singly.

        Parameters
        ----------
        vectors : float32 array, shape (Q, D)
            Of any length but 0.
        k : int
            How many.

        Returns
        -------
        ids : int64 array, shape (Q, k)
            The nearest first; -1 where there are fewer.
        scores : float32 array, shape (Q, k)
            Cosines; -inf where there are fewer.

        Raises
        ------
        UsageError
            If k is less than 1, or a vector has another length or no direction.
        """
        _check(k, 0.0)

        def work(held: Memory) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            return batch.search(held, as_queries(vectors, held.dimension), k)

        if self._memory is not None and self._seen and self._seen == self._catalog.version():
            return work(self._memory)  # which asks nothing of the catalogue
        return self._with_memory(work)

    def _search(
        self,
        held: Memory,
        vector: NDArray[np.float32],
        k: int,
        where: Filter,
        exclude: Sequence[int] | NDArray[np.int64],
        diverse: float,
    ) -> Matches:
        direction = as_query(vector, held.dimension)
        allowed = self._passing.ids(self._catalog, where, held.revision)
        excluded = np.unique(np.asarray(exclude, dtype=np.int64))
        wanted = CANDIDATES * k if diverse else k
        ids, scores = snapshot.search(held, direction, wanted, allowed, excluded)
        if diverse:
            numbers, rows = embeddings.of(self._catalog, ids.tolist(), held.dimension)
            chosen = spread_out(scores, rows[np.searchsorted(numbers, ids)], k, diverse)
            ids, scores = ids[chosen], scores[chosen]
        items = self._catalog.items(ids.tolist())
        shares = percentiles(scores, self._by_chance(held))
        ranked = zip(ids.tolist(), scores.tolist(), shares, strict=True)
        return Matches(
            [
                Match(rank, number, items[number].path, score, items[number].label, share)
                for rank, (number, score, share) in enumerate(ranked, start=1)
            ]
        )

    def _by_chance(self, held: Memory) -> NDArray[np.float32]:
        """Cosines of random pairs, of this revision."""
        if self._chance is None or self._chance[0] != held.revision:
            self._chance = held.revision, chance_scores(self._catalog, held.dimension)
        return self._chance[1]

    def _with_memory(self, work: Callable[[Memory], _Result]) -> _Result:
        """Do something with the memory at a fresh snapshot.

        A file that is damaged in two snapshots in a row is not one that a writer has just replaced:
        the search then goes on without it. The same holds for the encoder after a rebuild.
        """
        failed: int | None = None
        missed = False
        while True:
            with self._catalog.reading():
                try:
                    self._memory = snapshot.refresh(self._catalog, self._memory, self._useless)
                    self._seen = self._catalog.version()
                    return work(self._memory)
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

    @property
    def encoder(self) -> Encoder:
        """The encoder of the collection, loaded when first used."""
        with self._catalog.reading():
            return self._encoder_of(self._catalog.facts().encoder_sha256)

    def _encoder_of(self, sha256: str) -> Encoder:
        if self._encoder is None or self._encoder.sha256 != sha256:
            self._encoder = encoder_file.load(self._catalog.folder, sha256, self._device)
        return self._encoder


def _check(k: int, diverse: float) -> None:
    if k < 1:
        raise UsageError(f"k is {k}; it must be 1 or more.")
    if not 0 <= diverse <= 1:
        raise UsageError(f"diverse is {diverse:g}.", "Choose a number from 0 to 1.")
