"""What is in a collection, looked at without searching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.index.ann.generations import named
from clr_search.index.catalog import embeddings, filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.embeddings import Embeddings
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.paths import canonical
from clr_search.index.catalog.records import Item, SkippedItem
from clr_search.index.info import IndexInfo, info_of


class Inventory:
    """The items of a collection: ``len``, ``in``, ``[id]``, iteration over ids, and lists of them.

    Every method sees one snapshot of the collection, and each call the newest one, whoever writes.

    Parameters
    ----------
    catalog : Catalog
        Of the collection.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All calls inside see the collection as it is at the first of them.

        Needed where several answers must belong together, such as `ids` and `items`, while
        somebody else may be writing.
        """
        with self._catalog.reading():
            yield

    @property
    def path(self) -> Path:
        """The collection."""
        return self._catalog.folder

    def __len__(self) -> int:
        with self._catalog.reading():
            return self._catalog.count()

    def __iter__(self) -> Iterator[int]:
        """Ids of all items, ascending."""
        return iter(self.ids())

    def __contains__(self, key: object) -> bool:
        """Whether there is an item at this path, or of this id."""
        with self._catalog.reading():
            if isinstance(key, str | Path):
                return self._catalog.at(canonical(key)) is not None
            if isinstance(key, int | np.integer) and not isinstance(key, bool):
                return bool(self._catalog.items([int(key)]))
        return False

    def __getitem__(self, number: int) -> Item:
        """See `item`."""
        return self.item(number)

    def __repr__(self) -> str:
        """Where it is, what is in it, and how it is searched; or why that cannot be told."""
        folder = self._catalog.folder
        try:
            with self._catalog.reading():
                facts, count, last = self._catalog.facts(), len(self), named(self._catalog)
        except ClrSearchError as error:
            return f"<Index {folder}: {error.what}>"
        structure = "exact" if last is None else last.described
        return (
            f"<Index {folder}: {count:,} pictures, embeddings of length {facts.dimension} by "
            f"{facts.encoder_name}, search: {structure}>"
        )

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
            found = filters.allowed(
                self._catalog, filters.joined(where or Filter(), under=under, label=label)
            )
            numbers = embeddings.ids(self._catalog) if found is None else found
        return [int(number) for number in numbers]

    def embeddings(
        self, *, under: str | None = None, label: str | None = None, where: Filter | None = None
    ) -> Embeddings:
        """Ids, paths, labels and vectors of the items a filter leaves, read in one snapshot.

        Raises
        ------
        UsageError
            If the filter leaves none, as `search`.

        Examples
        --------
        ::

            held = index.embeddings(label="roses")
            probe = fit_probe(held.vectors, held.labels)
        """
        with self._catalog.reading():
            conditions = filters.joined(where or Filter(), under=under, label=label)
            allowed = filters.allowed(self._catalog, conditions)
            return embeddings.gather(self._catalog, self._catalog.facts().dimension, allowed)

    def vectors(self, *, under: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """All ids, int64 (N,), ascending, and their unit vectors, float32 (N, D).

        With `under`, only of pictures below this folder; raises as `ids` if it has none.
        """
        with self._catalog.reading():
            dimension = self._catalog.facts().dimension
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
            dimension = self._catalog.facts().dimension
            known, rows = embeddings.of(self._catalog, numbers, dimension)
        return rows[np.searchsorted(known, np.asarray(numbers, dtype=np.int64))]

    def ids_with_content(self, sha256: str) -> list[int]:
        """Ids of the items whose files have this SHA-256."""
        with self._catalog.reading():
            return self._catalog.with_content(sha256)

    def labels(self) -> list[str | None]:
        """Labels of all items, in the order of `vectors`; `embeddings` has them together."""
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
            return info_of(self._catalog)
