"""The values of a visit: pictures on the page and the session, independent of Gradio and index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

MAX_TRAIL = 50
"""Largest number of steps in a trail; older ones are forgotten, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture of the collection as the page shows it.

    `score` is None outside of a search. `picture` is empty where the file cannot be shown, and
    `missing` tells whether it is not there.
    """

    id: int
    name: str
    relative: str
    label: str | None
    score: float | None
    picture: str = field(repr=False)
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The neighbours of a query, the size of the collection, and the seconds of the search."""

    hits: tuple[Hit, ...]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A picture to search from.

    Attributes
    ----------
    title, detail : str
        Texts for people: the name of the file, and a line with its origin and its size.
    preview, tile : str
        The picture as `data:` addresses, large and small.
    item : int or None
        Id of the picture in the collection; None for an upload.
    square : uint8 array (S, S, 3) or None
        The square of an upload that the encoder sees; the upload itself is not stored.
    """

    title: str
    detail: str
    preview: str = field(repr=False)
    tile: str = field(repr=False)
    item: int | None = None
    square: NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """The session of one visitor.

    Attributes
    ----------
    trail : tuple of Subject
        The pictures searched from, the oldest first.
    shown : tuple of int
        Ids of the pictures on the page, in their order.

    Examples
    --------
    >>> rose = Subject("rose.jpg", "uploaded", preview="", tile="")
    >>> session = Session().step(rose)
    >>> session.subject.title, session.back().subject
    ('rose.jpg', None)
    """

    trail: tuple[Subject, ...] = ()
    shown: tuple[int, ...] = ()

    @property
    def subject(self) -> Subject | None:
        """The current picture to search from; None at the beginning of a visit."""
        return self.trail[-1] if self.trail else None

    def showing(self, hits: Sequence[Hit]) -> Session:
        """Return the session with these pictures on the page."""
        return replace(self, shown=tuple(hit.id for hit in hits))

    def step(self, subject: Subject) -> Session:
        """Return the session after the choice of another picture to search from."""
        return replace(self, trail=(*self.trail, subject)[-MAX_TRAIL:])

    def back(self) -> Session:
        """Return the session at the previous picture; from the first, without any picture."""
        return replace(self, trail=self.trail[:-1])

    def back_to(self, place: int) -> Session:
        """Return the session at the picture with this position in the trail."""
        return replace(self, trail=self.trail[: place + 1])
