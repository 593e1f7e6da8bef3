"""`Inventory`: the items of a collection, and lists of them, without a search."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.stores.address import is_address, located
from clr_search.files.stores.failures import StoreError
from clr_search.index.ann.generations import named
from clr_search.index.catalog import dismissals, embeddings, filters
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import notes
from clr_search.index.catalog.embeddings import Embeddings
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.paths import (
    among_objects,
    below,
    canonical,
    file_identity,
    is_missing,
)
from clr_search.index.catalog.records import Item, NotedItem, SkippedItem
from clr_search.index.catalog.sqlite.database import FILE_NAME
from clr_search.index.search.info import IndexInfo, info_of


class Inventory:
    """The items of a collection: ``len``, ``in``, ``[id]``, iteration over ids, and lists of them.

    Every method reads one snapshot of the collection. Each call reads the newest one, also while
    another process writes.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._opened = file_identity(catalog.folder.real / FILE_NAME)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all calls inside the block read the collection as it is at the first of them.

        This is needed if several results must belong together, such as `ids` and `items`, while
        another process may be writing.

        Examples
        --------
        ::

            with index.snapshot():
                items = index.items(index.ids(label="roses"))
        """
        with self._catalog.reading():
            yield

    @property
    def path(self) -> Path:
        """Path of the folder of the collection, or its address on a server."""
        return self._catalog.folder.place

    @property
    def folder(self) -> Path:
        """The folder on this machine: the collection, or what is here of one on a server."""
        return self._catalog.folder.real

    def version(self) -> tuple[int, int] | None:
        """Returns a value that changes with every change of the collection, by any process.

        It is None where it is not known, as inside a transaction. It tells whether what was
        computed of the collection is still so.
        """
        return self._catalog.version()

    def embedded_state(self) -> tuple[int, int]:
        """Returns a value that changes with the items and their vectors, but not with labels.

        It is the number of items and the newest revision of any: what is embedded anew has a newer
        one, and what is removed is counted no more.
        """
        with self._catalog.reading():
            return self._catalog.count(), embeddings.newest(self._catalog)

    def labels_are_given(self) -> bool:
        """Returns whether labels were given; else they are the names of the folders."""
        with self._catalog.reading():
            return self._catalog.labels_are_given()

    def in_place(self) -> bool:
        """Returns whether the catalogue is still the file that was opened.

        It is not where the collection has been moved, deleted or replaced meanwhile. What is open
        can then still be read, but nothing that is written at this place is seen any more.
        """
        return self._opened == file_identity(self._catalog.folder.real / FILE_NAME)

    def __len__(self) -> int:
        """Number of items."""
        with self._catalog.reading():
            return self._catalog.count()

    def __iter__(self) -> Iterator[int]:
        """Iterates over the ids of all items, ascending."""
        return iter(self.ids())

    def __contains__(self, key: object) -> bool:
        """Whether the collection has an item at this path (str or Path), or of this id (int)."""
        with self._catalog.reading():
            if isinstance(key, str | Path):
                return self._catalog.at(canonical(key)) is not None
            if isinstance(key, int | np.integer) and not isinstance(key, bool):
                return bool(self._catalog.items([int(key)]))
        return False

    def __getitem__(self, number: int) -> Item:
        """Returns an item by its id, as `item` does."""
        return self.item(number)

    def __repr__(self) -> str:
        """Path, size, encoder and search structure, or the error of a damaged collection."""
        folder = self._catalog.folder
        try:
            with self._catalog.reading():
                facts, count, generation = self._catalog.facts(), len(self), named(self._catalog)
        except ClrSearchError as error:
            return f"<Index {folder}: {error.what}>"
        structure = "exact" if generation is None else generation.described
        if self._catalog.remote is not None:
            structure = "by a server"
        return (
            f"<Index {folder}: {count:,} pictures, embeddings of length {facts.dimension} by "
            f"{facts.encoder_name or 'no encoder of its own'}, search: {structure}>"
        )

    def ids(
        self,
        *,
        under: str | None = None,
        label: str | None = None,
        where: Filter | str | None = None,
    ) -> list[int]:
        """Returns the ids of the items that match a filter, ascending.

        Parameters
        ----------
        under : str, optional
            Only items below this folder.
        label : str, optional
            Only items with this label.
        where : Filter, optional
            Only items that meet these conditions.

        Returns
        -------
        list of int
            Ids; empty only if the collection has no items.

        Raises
        ------
        UsageError
            If no item matches the filter, as in `search`.
        """
        with self._catalog.reading():
            matching = filters.allowed(
                self._catalog, filters.joined(where or Filter(), under=under, label=label)
            )
            ids = embeddings.ids(self._catalog) if matching is None else matching
        return [int(number) for number in ids]

    def embeddings(
        self,
        *,
        under: str | None = None,
        label: str | None = None,
        where: Filter | str | None = None,
    ) -> Embeddings:
        """Returns ids, paths, labels and vectors of the items that match a filter.

        All are read in one snapshot. The parameters are those of `ids`.

        Raises
        ------
        UsageError
            If no item matches the filter, as in `search`.

        Examples
        --------
        ::

            embedded = index.embeddings(under="/photos/flowers")
            probe = fit_probe(embedded.vectors, embedded.labels)
        """
        with self._catalog.reading():
            conditions = filters.joined(where or Filter(), under=under, label=label)
            allowed = filters.allowed(self._catalog, conditions)
            return embeddings.gather(self._catalog, self._catalog.facts().dimension, allowed)

    def vectors(self, *, under: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns the ids and unit vectors of all items, or of those below a folder.

        Parameters
        ----------
        under : str, optional
            Only items below this folder.

        Returns
        -------
        ids : int64 array, shape (N,)
            Ids, ascending.
        vectors : float32 array, shape (N, D)
            Unit vectors of these items.

        Raises
        ------
        UsageError
            If no item lies below the folder.
        """
        with self._catalog.reading():
            dimension = self._catalog.facts().dimension
            if under is None:
                return embeddings.newer(self._catalog, -1, dimension)
            return embeddings.of(self._catalog, self.ids(under=under), dimension)

    def vectors_of(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """Returns the unit vectors of some items, float32 (n, D), in the order of their ids given.

        Raises
        ------
        ClrSearchError
            If an item is not, or no longer, in the collection.
        """
        with self._catalog.reading():
            self.items(numbers)
            dimension = self._catalog.facts().dimension
            ids, rows = embeddings.of(self._catalog, numbers, dimension)
        return rows[np.searchsorted(ids, np.asarray(numbers, dtype=np.int64))]

    def id_at(self, path: Path | str) -> int:
        """Returns the id of the item at a path.

        Raises
        ------
        UsageError
            If the collection has no picture there.
        """
        with self._catalog.reading():
            number = self._catalog.at(canonical(path))
        if number is None:
            raise UsageError(
                f"{path} is not in {self._catalog.folder}.", "Give files of the collection, or ids."
            )
        return number

    def ids_with_content(self, sha256: str) -> list[int]:
        """Returns the ids of the items whose files have this SHA-256 (hexadecimal)."""
        with self._catalog.reading():
            return self._catalog.with_content(sha256)

    def labels(self) -> list[str | None]:
        """Returns the labels of all items, in the order of `vectors`; `embeddings` returns both."""
        with self._catalog.reading():
            return self._catalog.labels()

    def item(self, number: int) -> Item:
        """Returns an item by its id.

        Raises
        ------
        ClrSearchError
            If the item is not, or no longer, in the collection.
        """
        return self.items([number])[0]

    def items(self, numbers: Sequence[int]) -> list[Item]:
        """Returns items by their ids, in the order of the ids.

        Raises
        ------
        ClrSearchError
            If an item is not, or no longer, in the collection.
        """
        with self._catalog.reading():
            items = self._catalog.items(numbers)
        for number in numbers:
            if number not in items:
                raise ClrSearchError(f"{self._catalog.folder} has no item with the id {number}.")
        return [items[number] for number in numbers]

    def known_items(self, numbers: Sequence[int]) -> dict[int, Item]:
        """Returns the items with these ids, by id; ids of no item are left out."""
        with self._catalog.reading():
            return self._catalog.items(numbers)

    def contents(self) -> dict[int, str]:
        """Returns the SHA-256 (hexadecimal) of the files of all items, by id."""
        with self._catalog.reading():
            return self._catalog.contents()

    def dismissed(self) -> frozenset[dismissals.Pair]:
        """Returns the pairs of contents (SHA-256) that a person has dismissed as copies."""
        with self._catalog.reading():
            return dismissals.dismissed(self._catalog.database)

    def skipped(self) -> list[SkippedItem]:
        """Returns the files that could not be used, with the reasons, ordered by path."""
        with self._catalog.reading():
            return [SkippedItem(located(e.path), e.reason) for e in self._catalog.skipped()]

    def noted(self) -> list[NotedItem]:
        """Returns the pictures that were read with a loss, or of which something is not shown.

        Those that were embedded by an older release, which kept no notes, are not among them.
        """
        with self._catalog.reading():
            return notes.noted(self._catalog)

    def missing(self) -> int:
        """Returns the number of items whose files are certainly not there.

        Objects are looked for in the list of their store, which is a request for each thousand;
        while that cannot be read, none of them counts.
        """
        with self._catalog.reading():
            known = list(self._catalog.known())
            given = [root.path for root in self._catalog.roots() if root.given]
        objects = [path for path in known if is_address(path)]
        files = (path for path in known if not is_address(path))
        return sum(map(is_missing, files)) + _missing_objects(objects, given)

    def sources(self) -> list[Path]:
        """Returns what the collection was made of: its folders, and files given by themselves."""
        with self._catalog.reading():
            roots = self._catalog.roots()
            files = list(self._catalog.known())
        single = {root.path for root in roots if not root.given}
        folders = [located(root.path) for root in roots if root.given]
        return folders + [located(f) for f in files if os.path.dirname(f) in single]  # noqa: PTH120

    def info(self) -> IndexInfo:
        """Returns the numbers, the encoder and the search structure of the collection."""
        with self._catalog.reading():
            return info_of(self._catalog)


def _missing_objects(paths: Sequence[str], given: Sequence[str]) -> int:
    """Returns the number of objects that their stores do not list; none of one that cannot."""
    from clr_search.files.stores.listing import addresses

    count, waiting = 0, set(paths)
    for prefix in filter(is_address, given):
        inside = {path for path in waiting if below(path, prefix)}
        waiting -= inside
        with suppress(StoreError):
            count += len(inside.difference(addresses(prefix))) if inside else 0
    return count + sum(among_objects(is_missing, sorted(waiting)))
