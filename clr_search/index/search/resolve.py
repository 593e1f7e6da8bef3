"""`Resolver`: the one place that turns a `Query` into vectors.

The vectors of items are read from the catalogue; the encoder makes all others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ClrSearchError, ImageError, QueryError, shortened
from clr_search.files.stores.address import ObjectPath, located
from clr_search.files.write import sha256_bytes
from clr_search.images import Crop, cut
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import canonical
from clr_search.index.catalog.records import time_of
from clr_search.index.catalog.vectors import as_queries, as_query, has_direction
from clr_search.index.search.query import Embedded, Picture, Query

if TYPE_CHECKING:
    from clr_search.serve.encoder import Encoder


_NONE = np.empty(0, np.int64)


class MissingItemError(QueryError):
    """An item that a query names is not, or no longer, in the collection."""


class OtherEncoderError(ClrSearchError):
    """A picture was embedded by another encoder than the collection has now."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The vectors of a query, and the items that the query itself is.

    Attributes
    ----------
    vectors : float32 array, shape (Q, D)
        Unit vectors; Q is 1 except for a query of many vectors.
    own : int64 array
        Ids, ascending, of the items that are the query itself: those at its path.
    same : int64 array
        Ids, ascending, of items elsewhere whose files are byte for byte that of the query.
    """

    vectors: NDArray[np.float32]
    own: NDArray[np.int64]
    same: NDArray[np.int64] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True)
class _Part:
    """One picture of a query: its unit vector, shape (D,), and the items that it is.

    `own` are ids of items at its path, `same` those of items elsewhere with the same content.
    """

    vector: NDArray[np.float32]
    own: tuple[int, ...] = ()
    same: tuple[int, ...] = ()


class Resolver:
    """Turns queries into vectors.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, inside `reading`.
    dimension : int
        D, the length of a vector.
    sha256 : str
        SHA-256 of the encoder of the collection.
    encoder : callable
        Loads the encoder. It is called only if the catalogue lacks a vector, so that a search by a
        picture of the collection needs no ONNX Runtime.
    """

    def __init__(
        self, catalog: Catalog, dimension: int, sha256: str, encoder: Callable[[], Encoder]
    ) -> None:
        self._catalog = catalog
        self._dimension = dimension
        self._sha256 = sha256
        self._encoder = encoder

    def resolve(self, query: Query) -> Resolved:
        """Returns the vectors of a query: normalise(q + mean(like) − mean(unlike)).

        The pictures of `like` are part of the query, so that their items belong to its own items.

        Raises
        ------
        QueryError
            If an item or a file does not exist, or the sum has no direction, as for a query that
            should be unlike itself.
        UsageError
            If a vector has another length than those of the collection, or no direction.
        ClrSearchError
            If a file is no usable picture.
        """
        if query.vectors is not None and not query.like and not query.unlike:
            return Resolved(self._vectors(query.vectors), _NONE)
        liked = [self._picture(part) for part in query.like]
        unliked = [self._picture(part) for part in query.unlike]
        vectors, own, same = self._subject(query)
        own = own.union(*(part.own for part in liked))
        wide = vectors.astype(np.float64)
        if liked:
            wide = wide + np.mean([part.vector for part in liked], axis=0)
        if unliked:
            wide = wide - np.mean([part.vector for part in unliked], axis=0)
        if not all(map(has_direction, np.linalg.norm(wide, axis=1))):
            why = "what it should be unlike leaves" if unliked else "its vector has"
            raise QueryError(
                f"{_name(query)} cannot be searched for: {why} no direction.",
                "Search by another picture, or leave one out that it should be unlike.",
            )
        vectors = as_queries(wide, self._dimension)
        return Resolved(vectors, _sorted(own), _sorted(same))

    def _subject(self, query: Query) -> tuple[NDArray[np.float32], set[int], set[int]]:
        """Returns the vectors q, shape (Q, D), without `like` and `unlike`.

        Beside them are the ids of the items that they are, and of those with the same content.
        """
        if query.vectors is not None:
            return self._vectors(query.vectors), set(), set()
        if query.picture is None:
            parts = [self._item(int(number)) for number in query.ids]
            mean = np.mean([part.vector for part in parts], axis=0, keepdims=True)
            return mean, {number for part in parts for number in part.own}, set()
        part = (
            self._picture(query.picture)
            if query.crop is None
            else self._crop(query.picture, query.crop)
        )
        return part.vector[None], set(part.own), set(part.same)

    def _vectors(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Returns vectors of any length, shape (D,) or (Q, D), as unit vectors, shape (Q, D)."""
        if np.ndim(vectors) == 2:
            return as_queries(vectors, self._dimension)
        return as_query(vectors, self._dimension)[None]

    def _picture(self, picture: Picture) -> _Part:
        """Returns the vector of a picture, and the items that it is.

        The vector is read from the catalogue if the path is that of an item whose file has not
        changed, or never was read, or if the content of the file is that of any item.
        """
        if isinstance(picture, int | np.integer):
            return self._item(int(picture))
        if isinstance(picture, Embedded):
            if picture.encoder != self._sha256:
                raise OtherEncoderError("The collection has just got another encoder.")
            return _Part(picture.vector, same=tuple(self._catalog.with_content(picture.sha256)))
        if isinstance(picture, bytes):
            return self._content(picture, None)
        if not isinstance(picture, (str, Path)):
            return _Part(self._encoder().encode(picture)[0])
        path = located(picture)
        number = self._item_at(path)
        if number is not None and self._is_its_vector(number, path):
            return _Part(self._stored(number), (number,), self._copies(number))
        with _explained(path):
            return self._content(images.read(path)[0], number)

    def _content(self, data: bytes, number: int | None) -> _Part:
        """Returns the part for the bytes of a file: that of the item `number`, if given."""
        own = () if number is None else (number,)
        copies = self._catalog.with_content(sha256_bytes(data))
        if copies:
            same = tuple(copy for copy in copies if copy != number)
            return _Part(self._stored(copies[0]), own, same)
        encoder = self._encoder()
        picture = images.decode_square(data, encoder.frame)
        return _Part(encoder.encode(picture.pixels)[0], own)

    def _copies(self, number: int) -> tuple[int, ...]:
        """Returns the ids of the other items with the content of an item."""
        sha256 = self._catalog.items([number])[number].sha256
        return tuple(copy for copy in self._catalog.with_content(sha256) if copy != number)

    def _item(self, number: int) -> _Part:
        """Returns the part for an item; raises MissingItemError if there is none of this id."""
        if number not in self._catalog.items([number]):
            raise MissingItemError(
                f"{self._catalog.folder} has no item with the id {number}.",
                "The ids of results are in the answers of --json.",
            )
        return _Part(self._stored(number), (number,))

    def _crop(self, picture: Picture, crop: Crop) -> _Part:
        """Returns the part for a crop at full resolution; its item is that of the picture."""
        own: tuple[int, ...] = ()
        if isinstance(picture, Embedded):
            raise QueryError("A picture that is embedded already cannot be cropped.")
        if isinstance(picture, int | np.integer):
            number = int(picture)
            own = self._item(number).own
            picture = self._catalog.items([number])[number].path
        if isinstance(picture, (str, Path)):
            path = located(picture)
            with _explained(path):
                pixels = images.decode(images.read(path)[0]).pixels
            id_at_path = self._item_at(path)
            own = own or ((id_at_path,) if id_at_path is not None else ())
        elif isinstance(picture, bytes):
            pixels = images.decode(picture).pixels
        elif isinstance(picture, np.ndarray):
            pixels = picture
        else:
            pixels = images.pixels_of(picture, "searched for")
        return _Part(self._encoder().encode(cut(pixels, crop))[0], own)

    def _item_at(self, path: Path) -> int | None:
        """Returns the id of the item at this path, or at the path that it links to, if any."""
        number = self._catalog.at(canonical(path))
        if isinstance(path, ObjectPath):
            return number
        # `Path.resolve` raises where links lead round in a circle.
        return self._catalog.at(os.path.realpath(path)) if number is None else number

    def _is_its_vector(self, number: int, path: Path) -> bool:
        """Whether the vector of an item is that of its file as it is now.

        The file has the size and time that it had when it was embedded; or the vector was made
        elsewhere, so that no file need be there.
        """
        item = self._catalog.items([number])[number]
        if item.is_without_file:
            return True
        try:
            status = path.stat()
        except OSError:
            return False
        return (item.size, item.mtime_ns) == (status.st_size, time_of(status))

    def _stored(self, number: int) -> NDArray[np.float32]:
        """Returns the unit vector of an item, shape (D,), from the catalogue."""
        _, rows = embeddings.of(self._catalog, [number], self._dimension)
        vector: NDArray[np.float32] = rows[0]
        return vector


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turns the error of a file that cannot be read into one about the search."""
    try:
        yield
    except ImageError as error:
        if not isinstance(path, ObjectPath) and not os.path.exists(path):  # noqa: PTH110  # `Path.exists` raises where a name is too long
            raise QueryError(f"There is no file {shortened(str(path))}.", _remedy(path)) from None
        raise ClrSearchError(f"{path} cannot be searched for: {error.what}.") from error


def _remedy(path: Path) -> str:
    """Returns what to do about a query that is no file, or only words."""
    if path.suffix or len(path.parts) != 1:
        return "Check the spelling, or give an absolute path."
    return (
        "Queries are pictures, not words: give the path of a picture that is like what you look "
        "for. Words in paths are found with --glob, names of folders with --label."
    )


def _sorted(ids: set[int]) -> NDArray[np.int64]:
    """Returns ids in ascending order: int64, shape (n,)."""
    return np.array(sorted(ids), dtype=np.int64)


def _name(query: Query) -> str:
    """Returns the name of the picture, item or vector of a query, for an error message."""
    subject = query.ids[0] if len(query.ids) == 1 else query.picture
    if isinstance(subject, int | np.integer):
        return f"Item {subject}"
    if query.vectors is not None:
        return "The query vector"
    name = subject if isinstance(subject, (str, Path)) else getattr(subject, "filename", "")
    return str(name or "The picture")
