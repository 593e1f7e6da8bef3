"""`Library`: the collection as the page sees it, for several visitors at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.app.library.asked import Search, Term
from clr_search.app.library.listings import MOST_FOUND, Listing, Listings, direction, listed
from clr_search.app.library.uploads import Upload, Uploads
from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError, ImageError
from clr_search.images.isolation import DecodingLimits, DecodingWorkers

if TYPE_CHECKING:
    from clr_search.images import Crop
    from clr_search.index import Index, Item

_VECTORS = 512  # vectors of uploads and of parts of pictures that are remembered


class Library:
    """A collection to browse and search; it is safe to use from several threads.

    Parameters
    ----------
    index : Index
        The open collection. Each call sees its newest state on disk.
    uploads : Uploads
        What visitors have uploaded.
    decoding : DecodingLimits, optional
        The most that decoding one picture may take.

    Attributes
    ----------
    workers : DecodingWorkers
        The processes that decode all pictures which the page shows or searches with.
    """

    def __init__(
        self, index: Index, uploads: Uploads, *, decoding: DecodingLimits | None = None
    ) -> None:
        self.index, self.uploads = index, uploads
        self.workers = DecodingWorkers(usable_cores() + 1, decoding)
        # Only one thread at a time may use a SQLite connection, or exchange the FAISS generation.
        self._lock = threading.RLock()
        self._listings = Listings()
        self._derived: dict[str, tuple[object, Any]] = {}
        self._vectors: OrderedDict[tuple[object, ...], NDArray[np.float32]] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of pictures in the collection."""
        with self._lock:
            return len(self.index)

    def version(self) -> tuple[int, int] | None:
        """Return a value that changes with the collection; None where it is not known."""
        with self._lock:
            return self.index.version()

    @contextmanager
    def reading(self) -> Iterator[Index]:
        """Lend the index to this thread alone, at one snapshot."""
        with self._lock, self.index.snapshot():
            yield self.index

    def aside(self) -> Index:
        """Open the collection once more, for long work that others do not wait for; to close."""
        with self._lock:
            return self.index.again()

    def item(self, number: int) -> Item:
        """Return an item by its id.

        Raises
        ------
        ClrSearchError
            If the item is no longer in the collection.
        """
        with self._lock:
            try:
                return self.index.item(number)
            except ClrSearchError as error:
                raise ClrSearchError(
                    "That picture is no longer in the collection.", "Choose another one."
                ) from error

    def listing(self, search: Search, count: int = MOST_FOUND) -> Listing:
        """Return the ids of the pictures that a search finds, in their order, with their scores.

        At least the first `count` of them are listed. The last listings are remembered, so that a
        long list is read in parts.

        Raises
        ------
        ClrSearchError
            If a picture of the query is gone or cannot be read, or no picture passes the filter.
        """
        vectors = [self.vector(term) for term in search.terms]
        with self._lock:
            state = self.index.version()  # asked before it is read, and so never too new
            listing = self._listings.get(state, search)
            if listing is None or not listing.reaches(count):
                with self.reading() as index:
                    listing = listed(index, search, vectors, count, listing)
                self._listings.put(state, search, listing)
            return listing

    def direction(self, search: Search) -> NDArray[np.float32]:
        """Return the unit vector by which a search with terms looks, float32 (D,).

        Errors are those of `listing`.
        """
        return direction(search, [self.vector(term) for term in search.terms])

    def derived(self, name: str, derive: Callable[[Index], Any]) -> Any:
        """Return what `derive` makes of the collection; it is kept until the collection changes."""
        with self._lock:
            state = self.index.version()
            if name not in self._derived or state is None or self._derived[name][0] != state:
                with self.reading() as index:
                    self._derived[name] = state, derive(index)
            return self._derived[name][1]

    def rows(
        self, ids: Sequence[int], scores: Iterable[float] = (), shares: Iterable[float] = ()
    ) -> list[dict[str, Any]]:
        """Return what the grid shows of pictures, as JSON has it.

        A picture that has been removed meanwhile is a row with its id alone, so that the places of
        the others stay.
        """
        with self.reading() as index:
            known = index.known_items(ids)
        rows: list[dict[str, Any]] = [
            row(known[number]) if number in known else {"id": number} for number in ids
        ]
        for position, score in enumerate(scores):
            rows[position]["score"] = round(float(score), 4)
        for position, share in enumerate(shares):
            rows[position]["share"] = round(float(share), 3)
        return rows

    def brought(self, data: bytes, name: str) -> Upload:
        """Decode a picture that a visitor has brought, and keep it for a while.

        Raises
        ------
        ImageError
            If the bytes are not a picture of a known format.
        """
        picture = self.workers.decode(data, at_least=images.enough_for(self.index.encoder.frame))
        return self.uploads.add(data, name, picture.width, picture.height)

    def pixels(self, path: Path, side: int) -> images.Picture:
        """Decode a file of the collection or an upload, at least `side` pixels wide and high.

        Raises
        ------
        ClrSearchError
            If the file is gone, or cannot be read.
        """
        try:
            return self.workers.load(path, at_least=side)
        except ImageError as error:
            raise ClrSearchError(
                f"{path.name} cannot be shown: {error.what.rstrip('.')}.",
                error.remedy or "Bring the collection up to date with: clr-search build-index",
            ) from error

    def close(self) -> None:
        """End the processes that decode; the index stays open."""
        self.workers.close()

    def vector(self, term: Term) -> NDArray[np.float32]:
        """Return the unit vector of a picture of a query, float32 (D,); errors as `listing`."""
        if term.item is not None and term.crop is None:
            self.item(term.item)
            with self._lock:
                stored: NDArray[np.float32] = self.index.vectors_of([term.item])[0]
                return stored
        if term.upload is not None:
            path = self.uploads.get(term.upload).path
            key: tuple[object, ...] = (term.upload, term.crop)
        else:
            item = self.item(term.item or 0)
            path = item.path
            key = (item.id, item.mtime_ns, item.size, term.crop)
        with self._lock:
            if key in self._vectors:
                self._vectors.move_to_end(key)
                return self._vectors[key]
        vector = self.embed(path, term.crop)
        with self._lock:
            self._vectors[key] = vector
            while len(self._vectors) > _VECTORS:
                self._vectors.popitem(last=False)
        return vector

    def embed(self, path: Path, crop: Crop | None = None) -> NDArray[np.float32]:
        """Return the unit vector of a picture file, or of a part of it, float32 (D,)."""
        frame = self.index.encoder.frame
        enough = images.enough_for(frame)
        part = 1.0 if crop is None else min(crop[2], crop[3])
        picture = self.pixels(path, min(round(enough / part), 2**14))
        pixels = picture.pixels if crop is None else images.cut(picture.pixels, crop)
        vector: NDArray[np.float32] = self.index.encoder.encode(images.square(pixels, frame))[0]
        return vector


def row(item: Item) -> dict[str, Any]:
    """Return what the grid shows of an item, as JSON has it.

    `v` changes with the file, so that its thumbnail may be kept for ever under an address with it.
    """
    return {
        "id": item.id,
        "name": item.path.name,
        "folder": folder_of(item.relative),
        "label": item.label,
        "w": item.width,
        "h": item.height,
        "v": f"{item.mtime_ns ^ (item.size << 1):x}",
        "missing": item.is_missing(),
    }


def folder_of(relative: str) -> str:
    """Return the folder of a path relative to the root; empty for a file directly in the root.

    Examples
    --------
    >>> folder_of("roses/red/1.jpg"), folder_of("1.jpg")
    ('roses/red', '')
    """
    folder = PurePosixPath(relative).parent.as_posix()
    return "" if folder == "." else folder
