"""What becomes of a file in the pipeline: `Decoded`, then `Embedded`, or `Skipped`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search import images
from clr_search.images.metadata.exif import Exif


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file that was embedded.

    Attributes
    ----------
    path : Path
        The path that the caller gave.
    size, mtime_ns : int
        Size in bytes, and time of last change in nanoseconds since 1970, of the very bytes that
        were decoded.
    sha256 : str
        SHA-256 of these bytes, in hexadecimal.
    width, height : int
        Size of the whole picture in pixels, turned upright.
    vector : float32 array, shape (D,)
        The embedding, of unit L2 norm.
    notes : tuple of Note
        What a person should know of how the picture was read, such as rows that are missing.
    exif : Exif or None
        What the camera wrote into an object, which is not read once more for it; None of a file.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    width: int
    height: int
    vector: NDArray[np.float32] = field(repr=False, compare=False)
    notes: tuple[images.Note, ...] = ()
    exif: Exif | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be embedded.

    Attributes
    ----------
    path : Path
        The path that the caller gave.
    size, mtime_ns : int
        Size in bytes and time of last change, as of `Embedded`. Both are 0 where the file could not
        be read, so that the next update tries it again.
    reason : str
        Why the file could not be embedded, for people.
    """

    path: Path
    size: int
    mtime_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file that was decoded.

    Attributes
    ----------
    path : Path
        The path that the caller gave.
    size, mtime_ns, sha256
        Size in bytes, time of last change and hash, as of `Embedded`.
    square : Picture
        The square of the encoder's size, with the size of the whole picture.
    exif : Exif or None
        As of `Embedded`.
    """

    path: Path
    size: int
    mtime_ns: int
    sha256: str
    square: images.Picture
    exif: Exif | None = None
