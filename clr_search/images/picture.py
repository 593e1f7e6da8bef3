"""A decoded picture, and what a person should know of how it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

NoteKind = Literal["loss", "bands", "frame"]
"""Kinds of notes: a part of the picture is missing; bands are not shown; a later frame stands."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a person should know of how a picture was read.

    Attributes
    ----------
    kind : str
        ``"loss"`` where a part of the picture is missing, ``"bands"`` where the file has bands
        that are no colours, ``"frame"`` where a later frame stands for an animation.
    what : str
        What happened, for people, such as ``"3 rows missing"``.
    """

    kind: NoteKind
    what: str

    def __str__(self) -> str:
        """Returns what happened, after "read, " as in a list of files."""
        return f"read, {self.what}"


class Picture(NamedTuple):
    """A decoded picture.

    Attributes
    ----------
    pixels : uint8 array, shape (h, w, 3)
        RGB, upright; smaller than (height, width) where a JPEG was decoded at a reduced scale.
    width, height : int
        Full size of the picture, upright.
    notes : tuple of Note
        What a person should know of how it was read; empty for nearly every picture.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    notes: tuple[Note, ...] = ()
