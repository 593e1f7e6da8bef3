"""What is shown to a visitor and kept of a visit: plain values, without Gradio or the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

MAX_TRAIL = 50
"""Steps of the way that are kept; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A picture of the collection as the page shows it; `score` is None outside of a search."""

    id: int
    name: str
    relative: str
    label: str | None
    score: float | None
    picture: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Neighbours of a query, the size of the collection, and the time of embedding and search."""

    hits: tuple[Hit, ...]
    total: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A picture that is searched from.

    Attributes
    ----------
    title, detail : str
        For people: the file's name; where it lies and how large it is.
    preview, tile : str
        The picture, large and small, as `data:` addresses.
    item : int or None
        Id in the collection, where it comes from there.
    square : uint8 array (S, S, 3) or None
        What the encoder sees of an uploaded picture; the upload itself is not kept.
    """

    title: str
    detail: str
    preview: str = field(repr=False)
    tile: str = field(repr=False)
    item: int | None = None
    square: NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """One visitor's way: the pictures searched from, oldest first, and the ids now on the page."""

    trail: tuple[Subject, ...] = ()
    shown: tuple[int, ...] = ()

    @property
    def subject(self) -> Subject | None:
        """The picture that is searched from now, if there is one."""
        return self.trail[-1] if self.trail else None

    def showing(self, hits: Sequence[Hit]) -> Session:
        """Remember what is on the page."""
        return replace(self, shown=tuple(hit.id for hit in hits))

    def step(self, subject: Subject) -> Session:
        """Go on to another picture to search from."""
        return replace(self, trail=(*self.trail, subject)[-MAX_TRAIL:])

    def back(self) -> Session:
        """Return to the picture before; from the first, to none at all."""
        return replace(self, trail=self.trail[:-1])

    def back_to(self, place: int) -> Session:
        """Return to the picture at this place of the trail."""
        return replace(self, trail=self.trail[: place + 1])
