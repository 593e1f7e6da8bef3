"""From what a person asks with to a vector: a path, a picture, and pictures it should be like."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ClrSearchError, ImageError, QueryError
from clr_search.files.write import sha256_bytes
from clr_search.images import Crop, cut
from clr_search.index.catalog import embeddings
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import place
from clr_search.index.catalog.vectors import has_direction

if TYPE_CHECKING:
    from PIL.Image import Image

    from clr_search.serve.encoder import Encoder


Query = Union[Path, str, int, "Image", NDArray[np.uint8]]
"""A path, the id of an item, a Pillow image, or a uint8 array (H, W, 3)."""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except ImageError as error:
        if not path.exists():
            raise QueryError(
                f"There is no file {path}.", "Check the spelling, or give an absolute path."
            ) from None
        raise ClrSearchError(f"{path} cannot be searched for: {error.what}.") from error


@dataclass(frozen=True, slots=True)
class Asked:
    """A query: its vector, shape (D,), of unit length, and the ids of the items that it is."""

    vector: NDArray[np.float32]
    own: tuple[int, ...]


class Asker:
    """Turns queries into vectors, by the catalogue where it has them, else by the encoder.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    dimension : int
        D.
    encoder : callable
        Gives the encoder; not called where the catalogue has all that is asked for, so that a
        search from one of its own pictures needs no ONNX Runtime.
    """

    def __init__(self, catalog: Catalog, dimension: int, encoder: Callable[[], Encoder]) -> None:
        self._catalog = catalog
        self._dimension = dimension
        self._encoder = encoder

    def combined(
        self,
        query: Query,
        like: Sequence[Path | str],
        unlike: Sequence[Path | str],
        crop: Crop | None = None,
    ) -> Asked:
        """normalise(q + mean(like) − mean(unlike)), all of unit length (Rocchio, with weights 1).

        The pictures it should be like count as part of the query: its own items are theirs too.
        With `crop`, q is of that part of the query.

        Raises
        ------
        QueryError
            If that has no direction, as of a query that should be unlike itself.
        """
        asked = self.one(query) if crop is None else self.part(query, crop)
        liked = [self.one(path) for path in like]
        unliked = [self.one(path) for path in unlike]
        vector = asked.vector.astype(np.float64)
        if liked:
            vector = vector + np.mean([other.vector for other in liked], axis=0)
        if unliked:
            vector = vector - np.mean([other.vector for other in unliked], axis=0)
        if not has_direction(float(np.linalg.norm(vector))):
            why = "what it should be unlike leaves" if unliked else "its vector has"
            raise QueryError(
                f"{_named(query)} cannot be searched for: {why} no direction.",
                "Search by another picture, or leave one out that it should be unlike.",
            )
        own = {number for part in (asked, *liked) for number in part.own}
        return Asked(vector.astype(np.float32), tuple(sorted(own)))

    def one(self, query: Query) -> Asked:
        """A single picture.

        A path that is an item and has not changed since it was embedded has its vector already; so
        has a file anywhere else whose content is that of an item.
        """
        if isinstance(query, int | np.integer):
            return self._of_item(int(query))
        if not isinstance(query, (str, Path)):
            return Asked(self._encoder().encode(query)[0], ())
        path = Path(query)
        number = self._item(path)
        if number is not None and self._unchanged(number, path):
            return Asked(self._stored(number), (number,))
        with _explained(path):
            data, _ = images.read(path)
            same = self._catalog.with_content(sha256_bytes(data))
            if same:
                return Asked(self._stored(same[0]), (number,) if number in same else tuple(same))
            encoder = self._encoder()
            picture = images.decode_square(data, encoder.image_size)
        own = () if number is None else (number,)
        return Asked(encoder.encode(picture.pixels)[0], own)

    def _of_item(self, number: int) -> Asked:
        if number not in self._catalog.items([number]):
            raise QueryError(
                f"{self._catalog.folder} has no item with the id {number}.",
                "The ids of results are in the answers of --json.",
            )
        return Asked(self._stored(number), (number,))

    def part(self, query: Query, crop: Crop) -> Asked:
        """A part of a single picture, at full resolution; its items are those of the whole."""
        own: tuple[int, ...] = ()
        if isinstance(query, int | np.integer):
            chosen = int(query)
            own = self._of_item(chosen).own
            query = self._catalog.items([chosen])[chosen].path
        if isinstance(query, (str, Path)):
            path = Path(query)
            with _explained(path):
                data, _ = images.read(path)
                pixels = images.decode(data).pixels
            number = self._item(path)
            own = own or ((number,) if number is not None else ())
            own = own or tuple(self._catalog.with_content(sha256_bytes(data)))
        else:
            pixels = (
                query if isinstance(query, np.ndarray) else images.pixels_of(query, "searched for")
            )
        return Asked(self._encoder().encode(cut(pixels, crop))[0], own)

    def _item(self, path: Path) -> int | None:
        """The item at this path, or at what it is a link to."""
        number = self._catalog.at(place(path))
        # `Path.resolve` raises where links lead round in a circle.
        return self._catalog.at(os.path.realpath(path)) if number is None else number

    def _unchanged(self, number: int, path: Path) -> bool:
        item = self._catalog.items([number])[number]
        try:
            status = path.stat()
        except OSError:
            return False
        return (item.size, item.mtime_ns) == (status.st_size, status.st_mtime_ns)

    def _stored(self, number: int) -> NDArray[np.float32]:
        _, rows = embeddings.of(self._catalog, [number], self._dimension)
        vector: NDArray[np.float32] = rows[0]
        return vector


def _named(query: Query) -> str:
    if isinstance(query, int | np.integer):
        return f"Item {query}"
    named = query if isinstance(query, (str, Path)) else getattr(query, "filename", "")
    return str(named or "The picture")
