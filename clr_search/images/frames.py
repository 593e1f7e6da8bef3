"""Animations: the first frame that shows something stands for the whole.

Many begin with an empty frame, or fade in from black; by their first frames, they would all be
alike. Only files whose first frame is of one colour are looked at further, and not far: as many
frames as together have some megapixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clr_search.images.colour.ground import extrema
from clr_search.images.colour.modes import upright
from clr_search.images.picture import Note
from clr_search.images.structure import frames_within_bounds

if TYPE_CHECKING:
    from PIL import Image, ImageFile

EMPTY = 8
"""Steps of 255 within which all pixels of an empty frame are."""

CONTENT = 32
"""Steps of 255 that a frame with content spans."""

ANIMATED = frozenset({"PNG", "GIF", "WebP", "AVIF", "HEIC"})
"""Formats that may have several frames."""

MOST_FRAMES, MOST_PIXELS = 64, 2**25
"""Frames that are looked at, and their pixels together."""


def stands_for(
    first: Image.Image, image: ImageFile.ImageFile, data: bytes, kind: str
) -> tuple[Image.Image, tuple[Note, ...]]:
    """Returns the frame that stands for an animation.

    Parameters
    ----------
    first : Image
        The first frame, upright, in RGB.
    image : ImageFile
        The file, at its first frame.
    data : bytes
        Its content.
    kind : str
        Its format.

    Returns
    -------
    frame : Image
        The first frame with content; without any, the one with most contrast.
    notes : tuple of Note
        A note where it is not the first.
    """
    most = contrast(first)
    if most > EMPTY:
        return first, ()
    # Pillow would go through a whole GIF to count its frames.
    told = 1 if kind == "GIF" else getattr(image, "n_frames", 1)
    count = min(frames_within_bounds(data, kind, told), _most_frames(first.width, first.height))
    first = first.copy() if count > 1 else first  # going on changes the image that it may be
    best, number = first, 0
    for frame in range(1, count):
        try:
            image.seek(frame)
            shown, _ = upright(image)
        except Exception:  # noqa: BLE001  # a later frame may be damaged; the first one is not
            break
        found = contrast(shown)
        if found > most:
            best, number, most = shown.copy(), frame, found
        if most >= CONTENT:
            break
    if number == 0:
        return first, ()
    return best, (Note("frame", f"frame {number + 1} stands for it, as the first is empty"),)


def most_looked_at(width: int, height: int) -> int:
    """Returns the pixels of all frames that are looked at of an animation of this size.

    Examples
    --------
    >>> most_looked_at(10, 10)
    6400
    """
    return _most_frames(width, height) * width * height


def _most_frames(width: int, height: int) -> int:
    """Returns the number of frames that are looked at, at least 1."""
    return min(MOST_FRAMES, MOST_PIXELS // (width * height) + 1)


def contrast(image: Image.Image) -> int:
    """Returns the largest difference of two pixels in any channel, 0 to 255."""
    return max(high - low for low, high in extrema(image))
