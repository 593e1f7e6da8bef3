"""From the bytes of a file to an upright image in sRGB: headers first, then pixels.

What `decoding` offers is made of these two steps, so that a large picture waits for its turn
between them. `open_picture` checks all that headers tell and holds little memory; `Opened.read`
decodes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from clr_search.images import png, tiff
from clr_search.images.colour.depth import scaled
from clr_search.images.colour.modes import in_srgb, turned, upright, without_opacity
from clr_search.images.formats import open_header
from clr_search.images.frames import ANIMATED, most_looked_at, stands_for
from clr_search.images.limits import check_samples, check_size
from clr_search.images.losses import load
from clr_search.images.picture import Note
from clr_search.images.rle import plain
from clr_search.images.structure import check
from clr_search.images.structure.jpeg import without_filling

if TYPE_CHECKING:
    from PIL import Image, ImageFile


class Upright(NamedTuple):
    """An upright image, and how it was read.

    Attributes
    ----------
    image : Image
        Mode RGB.
    width, height : int
        Full size of the picture, upright; that of the image, unless it was reduced.
    notes : tuple of Note
        What a person should know of how it was read.
    """

    image: Image.Image
    width: int
    height: int
    notes: tuple[Note, ...]


class Opened(NamedTuple):
    """A picture file whose headers are read and within bounds.

    Attributes
    ----------
    data : bytes
        Content of the file, as the decoder gets it.
    kind : str
        Its format.
    image : ImageFile or None
        The file as Pillow opens it, not loaded; None where its samples are read by `tiff`.
    layout : Layout or None
        How the samples of such a TIFF lie.
    png : Read or None
        What was taken out of a PNG.
    at_least : int or None
        The shorter side that a reduced decoding of a JPEG keeps.
    held : int
        Pixels that a decoder holds at once.
    width, height : int
        Size by the header, not turned.
    """

    data: bytes
    kind: str
    image: ImageFile.ImageFile | None
    layout: tiff.Layout | None
    png: png.Read | None
    at_least: int | None
    held: int
    width: int
    height: int

    def read(self) -> Upright:
        """Decodes the picture.

        Raises
        ------
        Exception
            Whatever a decoder raises of a damaged file.
        """
        if self.kind == "JPEG":  # the only one that may be reduced
            image, notes = self._load()
            whole, changed = upright(image)
            size = (self.height, self.width) if changed else (self.width, self.height)
            return Upright(whole, *size, notes)
        if self.layout is not None:
            whole = in_srgb(scaled(tiff.samples_of(self.data, self.layout)), self.layout.profile)
            whole = turned(whole, self.layout.orientation)
            return Upright(whole, *whole.size, self.layout.notes)
        image, notes = self._load()
        whole, _ = upright(image)
        if self.image is not None and not notes:
            whole, notes = stands_for(whole, self.image, self.data, self.kind)
        # Pillow turns a TIFF while loading, so only the result knows its shape.
        return Upright(whole, *whole.size, notes)

    def _load(self) -> tuple[Image.Image, tuple[Note, ...]]:
        """The image as it is stored, loaded, with its profile, and notes on what is not shown."""
        assert self.image is not None
        again = self._open_again
        if self.png is not None and self.png.profile is not None:
            self.image.info["icc_profile"] = self.png.profile
        if self.png is not None and png.is_wide(self.data):
            return png.load_wide(self.image, partial(again, self.data), self.png), ()
        if self.kind == "TIFF":
            tiff.make_room(self.image)
        image, notes = load(self.image, self.data, self.kind, again, self.height)
        if self.kind == "TIFF" and (spare := tiff.band_taken_for_opacity(self.image)):
            return without_opacity(image), (*notes, *tiff.bands_not_shown([spare]))
        return image, notes

    def _open_again(self, data: bytes) -> ImageFile.ImageFile:
        """Opens other bytes as these were opened."""
        return _open_header(data, self.kind, self.at_least)


def open_picture(
    data: bytes, kind: str, at_least: int | None, most: int, expect: Callable[[int, int], None]
) -> Opened:
    """Reads and checks the headers of a picture file.

    Parameters
    ----------
    data : bytes
        Content of the file.
    kind : str
        Its format, by `formats.kind_of`.
    at_least : int or None
        The shorter side that a reduced decoding of a JPEG keeps.
    most : int
        The most pixels that it may have.
    expect : callable
        As of `decoding.Host`: it is called before memory is taken for the pixels.

    Raises
    ------
    ImageError
        If it is beyond a limit.
    Exception
        Whatever a decoder raises of a damaged header.
    """
    read = png.mended(data) if kind == "PNG" else None
    if read is not None:
        data = read.data
    promised = check(data, kind)
    if promised is not None:
        check_size(promised.width, promised.height, kind, most)
        expect(*_costs(promised.width, promised.height, kind))
    layout = tiff.layout_of(data) if kind == "TIFF" and promised is not None else None
    if layout is not None:
        area = layout.width * layout.height
        check_samples(layout.sample_bytes, area, len(data), most)
        pixels = layout.sample_bytes // 3
        expect(max(pixels, area), max(pixels, area))
        return Opened(data, kind, None, layout, None, None, pixels, layout.width, layout.height)
    if kind == "BMP":
        data = plain(data)
    elif kind == "JPEG":
        data = without_filling(data)
    image = _open_header(data, kind, None)
    width, height = image.size
    check_size(width, height, kind, most)
    if promised is None:
        expect(*_costs(width, height, kind))
    if at_least is not None and kind == "JPEG":
        image.draft(None, (at_least, at_least))
    held = image.size[0] * image.size[1]
    if promised is not None and promised.whole:
        held = max(held, promised.width * promised.height)
    return Opened(data, kind, image, None, read, at_least, held, width, height)


def _costs(width: int, height: int, kind: str) -> tuple[int, int]:
    """Pixels that are held at once, and those that are looked at."""
    pixels = width * height
    return pixels, pixels + (most_looked_at(width, height) if kind in ANIMATED else 0)


def _open_header(data: bytes, kind: str, at_least: int | None) -> ImageFile.ImageFile:
    """The file as Pillow opens it, of a JPEG at its reduced size."""
    image = open_header(data, kind)
    if at_least is not None and kind == "JPEG":
        image.draft(None, (at_least, at_least))
    return image
