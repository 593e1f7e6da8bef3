"""The operations of the page on a collection, independent of HTML and Gradio."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from clr_search import images
from clr_search.app.visit import Answer, Hit, Subject
from clr_search.contract.card import Card
from clr_search.cores import usable_cores
from clr_search.errors import ClrSearchError, UsageError
from clr_search.images.isolation import DecodingLimits, DecodingWorkers
from clr_search.index.catalog.columns.language import ConditionError
from clr_search.pictures.inline import PREVIEW, preview
from clr_search.web import thumbnails

if TYPE_CHECKING:
    from clr_search.index import Filter, Index, IndexInfo, Item, Query

MAX_SURVEYED = 20_000
"""Largest number of pictures for which the folders are listed; else a person types a folder.

Listing them reads every item, which takes too long in a larger collection.
"""


_NAMED = 5  # columns of one's own that the page names


@dataclass(frozen=True, slots=True)
class _Survey:
    """The labels and folders of a collection in the state that `key` identifies."""

    key: tuple[int, int]
    labels: list[str]
    folders: list[str] | None


class Explorer:
    """A collection to browse and search; it is safe to use from several threads.

    Parameters
    ----------
    index : Index
        The open collection. Each call sees its newest state on disk.
    seed : int, optional
        Seed for a repeatable choice of random pictures.
    decoding : DecodingLimits, optional
        The most that decoding one picture may take.

    Attributes
    ----------
    workers : DecodingWorkers
        The processes that decode all pictures which the page shows or searches with.
    """

    def __init__(
        self, index: Index, *, seed: int | None = None, decoding: DecodingLimits | None = None
    ) -> None:
        self.index = index
        self.workers = DecodingWorkers(usable_cores() + 1, decoding)
        self._random = random.Random(seed)  # noqa: S311 -- chooses pictures, guards nothing
        self._thumbnails = thumbnails.Tiles(load=self.workers.load)
        # Only one thread at a time may use a SQLite connection, or exchange the FAISS generation.
        self._lock = threading.RLock()
        self._surveyed = _Survey((-1, -1), [], [])

    def __len__(self) -> int:
        """Return the number of pictures in the collection."""
        with self._lock:
            return len(self.index)

    def about(self) -> tuple[IndexInfo, Card, list[tuple[Path, str]]]:
        """Return facts about the collection, the card of its encoder, and its skipped files.

        Each skipped file has its path and the reason.
        """
        with self._lock, self.index.snapshot():
            skipped = [(entry.path, entry.reason) for entry in self.index.skipped()]
            return self.index.info(), self.index.encoder.card, skipped

    def item(self, item: int) -> Item:
        """Return the item with the id `item`.

        Raises
        ------
        ClrSearchError
            If the item is no longer in the collection.
        """
        with self._lock:
            try:
                return self.index.item(item)
            except ClrSearchError as error:
                raise ClrSearchError(
                    "That picture is no longer in the collection.", "Choose another one."
                ) from error

    def labels(self) -> list[str]:
        """Return the labels of the collection in alphabetical order; empty where there are none."""
        return self._survey().labels

    def folders(self) -> list[str] | None:
        """Return the folders to filter by.

        The list is empty where folders and labels are the same. It is None in a collection of more
        than `MAX_SURVEYED` pictures, whose folders are not listed.
        """
        return self._survey().folders

    def example_condition(self) -> str:
        """Return a condition that people may write, with the columns of their own as a hint.

        Examples
        --------
        ``"width > 2000 AND taken >= '2024'; also: rating, day"``
        """
        with self._lock:
            own = list(self.index.kinds(own=True))
        also = f"; also: {', '.join(own[:_NAMED])}" if own else ""
        return f"width > 2000 AND taken >= '2024'{also}"

    def upload(self, data: bytes, title: str) -> Subject:
        """Decode an uploaded file into a picture to search from.

        Raises
        ------
        ImageError
            If the bytes are not a picture of a known format.
        """
        frame = self.index.encoder.frame
        picture = self.workers.decode(data, at_least=max(images.enough_for(frame), PREVIEW))
        return Subject(
            title=title,
            detail=describe("uploaded", picture),
            preview=preview(picture.pixels),
            tile=thumbnails.tile(picture.pixels),
            square=images.square(picture.pixels, frame),
        )

    def choose(self, item: int) -> Subject:
        """Load an item as the picture to search from.

        Raises
        ------
        ClrSearchError
            If the item is no longer in the collection, or its file cannot be read.
        """
        entry = self.item(item)
        try:
            picture = self.workers.load(entry.path, at_least=PREVIEW)
        except (OSError, ClrSearchError) as error:
            reason = error.what if isinstance(error, ClrSearchError) else "the file is gone"
            raise ClrSearchError(
                f"{entry.path.name} cannot be shown: {reason}.",
                "Bring the collection up to date with: clr-search build-index",
            ) from error
        return Subject(
            title=entry.path.name,
            detail=describe(folder_of(entry.relative), picture),
            preview=preview(picture.pixels),
            tile=thumbnails.tile(picture.pixels),
            item=item,
        )

    def search(self, query: Query) -> Answer:
        """Return the nearest neighbours of a query, without the query itself.

        Raises
        ------
        ClrSearchError
            If the item to search from is no longer in the collection, or no picture has the label
            or the folder.
        """
        with self._lock:
            if isinstance(query.picture, int):
                self.item(query.picture)
            began = time.perf_counter()
            matches = self.index.search(query)
            seconds = time.perf_counter() - began
            items = self._items(match.id for match in matches)
            total = len(self.index)
        scores = {match.id: match.score for match in matches}
        return Answer(self.hits(items, [scores[item.id] for item in items]), total, seconds)

    def opening(self, where: Filter, count: int) -> tuple[Hit, ...]:
        """Return at most `count` random pictures that pass the filter, to begin with."""
        with self._lock:
            ids = self._matching(where)
            items = self._items(self._random.sample(ids, min(count, len(ids))))
        return self.hits(items)

    def random_item(self, where: Filter) -> int:
        """Return the id of a random picture that passes the filter.

        Raises
        ------
        ClrSearchError
            If no picture does.
        """
        with self._lock:
            ids = self._matching(where)
        if not ids:
            raise ClrSearchError("No picture matches these filters.", "Choose others above.")
        return self._random.choice(ids)

    def _survey(self) -> _Survey:
        """Return labels and folders, which are read again only after a change."""
        with self._lock, self.index.snapshot():
            ids = self.index.ids()
            # Ids are never reused: an addition changes the last id, a removal only the count.
            key = (len(ids), ids[-1] if ids else 0)
            if self._surveyed.key != key:
                labels = sorted({label for label in self.index.labels() if label})
                few = len(ids) <= MAX_SURVEYED
                folders = _folders(map(self.index.item, ids), labels) if few else None
                self._surveyed = _Survey(key, labels, folders)
            return self._surveyed

    def _matching(self, where: Filter) -> list[int]:
        """Return the ids of the pictures that pass a filter; a wrong condition is an error."""
        try:
            return self.index.ids(where=where)
        except ConditionError:
            raise
        except UsageError:  # No picture passes, which is a normal answer here.
            return []

    def _items(self, ids: Iterable[int]) -> list[Item]:
        """Return the items with these ids, without those that were removed meanwhile."""
        items = []
        for number in ids:
            with suppress(ClrSearchError):
                items.append(self.index.item(number))
        return items

    def hits(
        self, items: Sequence[Item], scores: Sequence[float | None] | None = None
    ) -> tuple[Hit, ...]:
        """Draw the tiles of items, and return what the page shows of them.

        Drawing looks at each file, so that only those without a tile are looked for again.
        """
        scores = scores or [None] * len(items)
        tiles = self._thumbnails.tiles([item.path for item in items])
        return tuple(
            Hit(
                item.id,
                item.path.name,
                item.relative,
                item.label,
                score,
                picture,
                missing=not picture and item.is_missing(),
            )
            for item, score, picture in zip(items, scores, tiles, strict=True)
        )

    def close(self) -> None:
        """End the threads that draw and the processes that decode; the index stays open."""
        self._thumbnails.close()
        self.workers.close()


def _folders(items: Iterable[Item], labels: Sequence[str]) -> list[str]:
    """Return the folders to filter by: the roots, if there are several, and all below them.

    The list is empty where the folders are the labels.
    """
    roots: set[str] = set()
    below: set[str] = set()
    for item in items:
        roots.add(str(item.root))
        below.update(str(parent) for parent in PurePosixPath(item.relative).parents)
    below.discard(".")
    if len(roots) > 1:
        return sorted(roots) + sorted(below)
    return [] if below <= set(labels) else sorted(below)


def describe(origin: str, picture: images.Picture) -> str:
    """Return the origin and the size of a picture: ``in roses · 640 × 480 pixels``."""
    size = f"{picture.width} × {picture.height} pixels"
    return f"{origin} · {size}" if origin else size


def folder_of(relative: str) -> str:
    """Return the folder of a path relative to the root; empty for a file directly in the root.

    Examples
    --------
    >>> folder_of("roses/red/1.jpg"), folder_of("1.jpg")
    ('in roses/red', '')
    """
    folder = PurePosixPath(relative).parent.as_posix()
    return "" if folder == "." else f"in {folder}"
