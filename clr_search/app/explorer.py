"""What the page can do with a collection, without a word of HTML or Gradio."""

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
from clr_search.contract.model_file import Card
from clr_search.errors import ClrSearchError, UsageError
from clr_search.pictures.inline import PREVIEW, preview
from clr_search.web import thumbnails

if TYPE_CHECKING:
    from clr_search.index import Filter, Index, IndexInfo, Item, Query

MAX_SURVEYED = 20_000
"""Size of a collection up to which its folders are listed; in a larger one they can be typed."""


@dataclass(frozen=True, slots=True)
class _Survey:
    """Labels and folders of the collection, and the state of it that they are of."""

    key: tuple[int, int]
    labels: list[str]
    folders: list[str] | None


class Explorer:
    """A collection to look around in; safe to use from several threads.

    Parameters
    ----------
    index : Index
        The open collection. Its changes on disk are seen with the next call.
    seed : int, optional
        For a repeatable choice of random pictures.
    """

    def __init__(self, index: Index, *, seed: int | None = None) -> None:
        self.index = index
        self._random = random.Random(seed)  # noqa: S311 -- chooses pictures, guards nothing
        self._thumbnails = thumbnails.Tiles()
        # A SQLite connection and a generation that is being exchanged are not for two threads.
        self._lock = threading.RLock()
        self._surveyed = _Survey((-1, -1), [], [])

    def __len__(self) -> int:
        """Number of pictures."""
        with self._lock:
            return len(self.index)

    def about(self) -> tuple[IndexInfo, Card, list[tuple[Path, str]]]:
        """What there is to know: the collection, its encoder's card, skipped files with reasons."""
        with self._lock, self.index.snapshot():
            skipped = [(entry.path, entry.reason) for entry in self.index.skipped()]
            return self.index.info(), self.index.encoder.card, skipped

    def item(self, item: int) -> Item:
        """A picture of the collection by its id.

        Raises
        ------
        ClrSearchError
            If it has left the collection.
        """
        with self._lock:
            try:
                return self.index.item(item)
            except ClrSearchError as error:
                raise ClrSearchError(
                    "That picture is no longer in the collection.", "Choose another one."
                ) from error

    def labels(self) -> list[str]:
        """The labels of the collection, sorted; empty where there are none."""
        return self._survey().labels

    def folders(self) -> list[str] | None:
        """Folders to filter by; none where they say no more than the labels.

        None in a collection so large that its folders are not listed.
        """
        return self._survey().folders

    def upload(self, data: bytes, title: str) -> Subject:
        """Decode an uploaded file into a picture to search from.

        Raises
        ------
        ImageError
            If the bytes are no picture we can read.
        """
        side = self.index.encoder.image_size
        picture = images.decode(data, at_least=max(images.enough_for(side), PREVIEW))
        return Subject(
            title=title,
            detail=describe("uploaded", picture),
            preview=preview(picture.pixels),
            tile=thumbnails.tile(picture.pixels),
            square=images.square(picture.pixels, side),
        )

    def choose(self, item: int) -> Subject:
        """Make a picture of the collection the one to search from.

        Raises
        ------
        ClrSearchError
            If it has left the collection, or its file is gone.
        """
        entry = self.item(item)
        try:
            picture = images.load(entry.path, at_least=PREVIEW)
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
        """Nearest neighbours of a query, without the query itself.

        Raises
        ------
        ClrSearchError
            If the query has left the collection, or there is no such folder or label.
        """
        with self._lock:
            if isinstance(query.picture, int):
                self.item(query.picture)
            began = time.perf_counter()
            matches = self.index.search(query)
            seconds = time.perf_counter() - began
            found = self._items(match.id for match in matches)
            total = len(self.index)
        scores = {match.id: match.score for match in matches}
        return Answer(self._hits(found, [scores[item.id] for item in found]), total, seconds)

    def opening(self, where: Filter, count: int) -> tuple[Hit, ...]:
        """Some pictures of the collection at random, to begin with."""
        with self._lock:
            ids = self._matching(where)
            items = self._items(self._random.sample(ids, min(count, len(ids))))
        return self._hits(items, [None] * len(items))

    def random_item(self, where: Filter) -> int:
        """Id of any picture that the filter leaves.

        Raises
        ------
        ClrSearchError
            If there is none.
        """
        with self._lock:
            ids = self._matching(where)
        if not ids:
            raise ClrSearchError("No picture matches these filters.", "Choose others above.")
        return self._random.choice(ids)

    def _survey(self) -> _Survey:
        with self._lock, self.index.snapshot():
            ids = self.index.ids()
            # No id is used twice, so what leaves changes the count, and what comes the last id.
            key = (len(ids), ids[-1] if ids else 0)
            if self._surveyed.key != key:
                labels = sorted({label for label in self.index.labels() if label})
                few = len(ids) <= MAX_SURVEYED
                folders = _folders(map(self.index.item, ids), labels) if few else None
                self._surveyed = _Survey(key, labels, folders)
            return self._surveyed

    def _matching(self, where: Filter) -> list[int]:
        try:
            return self.index.ids(where=where)
        except UsageError:  # none, which is no wrong use here
            return []

    def _items(self, ids: Iterable[int]) -> list[Item]:
        """Items, without those that somebody has just removed."""
        items = []
        for number in ids:
            with suppress(ClrSearchError):
                items.append(self.index.item(number))
        return items

    def _hits(self, items: Sequence[Item], scores: Sequence[float | None]) -> tuple[Hit, ...]:
        tiles = self._thumbnails.tiles([item.path for item in items])
        return tuple(
            Hit(item.id, item.path.name, item.relative, item.label, score, picture)
            for item, score, picture in zip(items, scores, tiles, strict=True)
        )

    def close(self) -> None:
        """End the threads that draw thumbnails. The index stays open."""
        self._thumbnails.close()


def _folders(items: Iterable[Item], labels: Sequence[str]) -> list[str]:
    """Roots, if there are several, then all folders below them."""
    roots: set[str] = set()
    below: set[str] = set()
    for item in items:
        roots.add(str(item.root))
        below.update(str(parent) for parent in PurePosixPath(item.relative).parents)
    below.discard(".")
    if len(roots) > 1:
        return sorted(roots) + sorted(below)
    return [] if below <= set(labels) else sorted(below)


def describe(place: str, picture: images.Picture) -> str:
    """Where a picture is from, and its size: ``in roses · 640 × 480``."""
    size = f"{picture.width} × {picture.height} pixels"
    return f"{place} · {size}" if place else size


def folder_of(relative: str) -> str:
    """``in roses/red`` for a path below the root of a collection; empty directly below it."""
    folder = PurePosixPath(relative).parent.as_posix()
    return "" if folder == "." else f"in {folder}"
