"""TIFFs of science: samples of any width, bands that are no colours, values that mean nothing.

Pillow reads TIFFs of 8 bits well. Of wider ones it keeps the upper byte, or refuses them, and a
fourth band is opacity to it, whatever it is. These are read here: as the compressions in use work
on bytes, such a TIFF is given to Pillow and libtiff as a grey one of 8 bits whose rows are as long
as the bytes of a row, and numpy makes samples of what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from struct import pack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ImageError
from clr_search.images.colour.depth import Samples
from clr_search.images.geometry import cropped
from clr_search.images.picture import Note

if TYPE_CHECKING:
    from PIL import Image, ImageFile

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES = 273, 274, 277, 278, 279
_LEAST, _GREATEST, _PLANAR, _PREDICTOR = 280, 281, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 322, 323, 324, 325
_EXTRA, _FORMAT, _SAMPLE_LEAST, _SAMPLE_GREATEST, _PROFILE = 338, 339, 340, 341, 34675
_FILL_ORDER, _NOTHING = 266, 42113  # the last is GDAL's value for "no data", as text

_BYTEWISE = {1, 5, 8, 32773, 32946, 34925, 50000}  # none, LZW, deflate, PackBits, LZMA, Zstandard
_COLOURS = {0: 1, 1: 1, 2: 3, 5: 4}  # photometric interpretation: channels
_OPACITY = {1, 2, 999}  # of extra samples; the last is Corel's
_KINDS = {1: "u", 2: "i", 3: "f"}
_WIDTHS = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
_SHORT, _LONG = 3, 4


@dataclass(frozen=True, slots=True)
class Layout:
    """How the samples of a TIFF lie in it.

    Attributes
    ----------
    tags : mapping of int to value
        The first directory, as Pillow reads it.
    width, height : int
        Size in pixels, as they are stored.
    channels : int
        The number of samples of a pixel.
    kind : dtype
        Type of a sample, in the byte order of the file.
    colours : int
        The number of channels that are colours: 1, 3 or 4.
    alpha : int or None
        The channel that is opacity, by the file.
    planar : bool
        Whether each channel lies on its own.
    """

    tags: Any
    width: int
    height: int
    channels: int
    kind: np.dtype[Any]
    colours: int
    alpha: int | None
    planar: bool

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8."""
        value = self.tags.get(_ORIENTATION, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1

    @property
    def profile(self) -> bytes | None:
        """The ICC profile, if there is one."""
        value = self.tags.get(_PROFILE)
        return value if isinstance(value, bytes) else None

    @property
    def sample_bytes(self) -> int:
        """The number of bytes of all samples."""
        return self.width * self.height * self.channels * self.kind.itemsize

    @property
    def each(self) -> int:
        """The number of channels that lie together."""
        return 1 if self.planar else self.channels

    @property
    def pixel_bytes(self) -> int:
        """The number of bytes of a pixel that lie together."""
        return self.each * self.kind.itemsize

    @property
    def tile_width(self) -> int:
        """The width of a tile, or of the picture where it lies in strips."""
        return int(self.tags[_TILE_WIDTH]) if _TILES in self.tags else self.width

    @property
    def notes(self) -> tuple[Note, ...]:
        """A note on the bands that are neither colours nor opacity."""
        return bands_not_shown(
            [n for n in range(self.colours, self.channels) if n != self.alpha],
        )


def bands_not_shown(bands: list[int]) -> tuple[Note, ...]:
    """Returns the note on bands, numbered from 0, that are not shown; none for no bands.

    Examples
    --------
    >>> [str(note) for note in bands_not_shown([3, 4])]
    ['read, bands 4 and 5 are not shown']
    """
    names = [str(band + 1) for band in bands]
    if not names:
        return ()
    if len(names) == 1:
        return (Note("bands", f"band {names[0]} is not shown"),)
    if len(names) > 4:
        return (Note("bands", f"bands {names[0]} to {names[-1]} are not shown"),)
    return (Note("bands", f"bands {', '.join(names[:-1])} and {names[-1]} are not shown"),)


def layout_of(data: bytes) -> Layout | None:
    """Returns how the samples of a TIFF lie; None for one that Pillow reads as it is meant.

    Parameters
    ----------
    data : bytes
        Content of the file, checked by `structure.check`.
    """
    from PIL import TiffImagePlugin

    head = data[:16] if data[2:3] == b"+" else data[:8]
    file = BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(head)
    file.seek(tags.next)
    tags.load(file)
    width, height = tags.get(_WIDTH), tags.get(_HEIGHT)
    channels = tags.get(_SAMPLES, 1)
    bits, formats = set(tags.get(_BITS, (1,))), set(tags.get(_FORMAT, (1,)))
    colours = _COLOURS.get(tags.get(_PHOTOMETRIC, 0))
    kind = _KINDS.get(formats.pop(), "") if len(formats) == 1 else ""
    size = bits.pop() if len(bits) == 1 else 0
    if colours is None or size not in _WIDTHS.get(kind, ()):
        return None
    if tags.get(_COMPRESSION, 1) not in _BYTEWISE or tags.get(_FILL_ORDER, 1) != 1:
        return None
    if (
        not isinstance(width, int)
        or not isinstance(height, int)
        or channels < colours
        or not (_STRIPS in tags or _TILES in tags)
    ):
        return None
    extra = tags.get(_EXTRA, ())
    opacity = [number for number, what in enumerate(extra, colours) if what in _OPACITY]
    if colours == 1 and channels > 2 and not opacity:
        colours = 3  # bands of a satellite or microscope; the first three, as other viewers do
    if size == 8 and kind == "u" and channels == colours + len(opacity):
        return None
    order = "<" if data[:1] == b"I" else ">"
    return Layout(
        tags,
        width,
        height,
        channels,
        np.dtype(f"{order}{kind}{size // 8}"),
        colours,
        opacity[0] if opacity and opacity[0] < channels else None,
        tags.get(_PLANAR, 1) == 2 and channels > 1,
    )


def make_room(image: ImageFile.ImageFile) -> None:
    """Makes the memory of a TIFF that Pillow decodes, which holds a limit of its own against it."""
    from PIL import Image

    tags: Any = getattr(image, "tag_v2", {})
    # The size before turning.
    image.im = Image.new(image.mode, (tags[_WIDTH], tags[_HEIGHT])).im


def band_taken_for_opacity(image: ImageFile.ImageFile) -> int | None:
    """Returns the channel that Pillow takes for opacity though the file does not say that it is.

    None where the last channel is opacity, or a colour.
    """
    tags: Any = getattr(image, "tag_v2", {})
    if image.mode not in ("RGBA", "LA", "PA") or _OPACITY & set(tags.get(_EXTRA, ())):
        return None
    return len(image.mode) - 1


def samples_of(data: bytes, layout: Layout) -> Samples:
    """Returns the samples of a TIFF.

    Parameters
    ----------
    data : bytes
        Content of the file.
    layout : Layout
        How they lie in it.

    Raises
    ------
    ImageError
        If the file has fewer strips or tiles than its size asks for.
    """
    planes = layout.channels if layout.planar else 1
    wanted = [n for n in range(planes) if n < layout.colours or n == layout.alpha]
    views = {plane: _plane(data, layout, plane, planes) for plane in wanted}

    def rows(top: int, bottom: int) -> NDArray[Any]:
        found = [_rows(views[plane], top, bottom, layout) for plane in wanted]
        joined = np.concatenate(found, -1) if len(found) > 1 else found[0]
        return joined.astype(joined.dtype.newbyteorder("="), copy=False)

    alpha = layout.alpha
    whole = layout.kind.kind != "f"
    return Samples(
        layout.width,
        layout.height,
        rows,
        layout.colours,
        wanted.index(alpha) if layout.planar and alpha is not None else alpha,
        most=float(np.iinfo(layout.kind).max) if whole else 1.0,
        told=_told(layout),
        nothing=_nothing(layout.tags.get(_NOTHING)),
        premultiplied=layout.tags.get(_EXTRA, ())[:1] == (1,),
        inverted=layout.tags.get(_PHOTOMETRIC, 0) == 0,
    )


def _plane(data: bytes, layout: Layout, plane: int, planes: int) -> Image.Image:
    """The bytes of one plane, as a grey image of 8 bits."""
    from PIL import Image, TiffImagePlugin

    tags = layout.tags
    long = layout.pixel_bytes
    tiles = -(-layout.width // layout.tile_width)
    starts, sizes = (_TILES, _TILE_BYTES) if _TILES in tags else (_STRIPS, _STRIP_BYTES)
    entries: dict[int, tuple[int, ...]] = {
        _WIDTH: (tiles * layout.tile_width * long,),
        _HEIGHT: (layout.height,),
        _BITS: (8,),
        _COMPRESSION: (tags.get(_COMPRESSION, 1),),
        _PHOTOMETRIC: (1,),
        _SAMPLES: (1,),
    }
    if starts == _TILES:
        entries[_TILE_WIDTH] = (layout.tile_width * long,)
        entries[_TILE_HEIGHT] = (tags[_TILE_HEIGHT],)
    else:
        entries[_ROWS] = (min(tags.get(_ROWS, layout.height), layout.height),)
    for tag in (starts, sizes):
        if tag in tags:
            parts = len(tags[tag]) // planes
            entries[tag] = tuple(tags[tag][plane * parts : (plane + 1) * parts])
            if not parts:
                raise ImageError("the TIFF has fewer strips or tiles than planes")
    image = TiffImagePlugin.TiffImageFile(BytesIO(_with_directory(data, entries)))
    image.im = Image.new("L", image.size).im  # else Pillow holds its own limit against the bytes
    image.load()
    return image


def _with_directory(data: bytes, entries: dict[int, tuple[int, ...]]) -> bytes:
    """The same file with another directory, at its end."""
    order = "<" if data[:1] == b"I" else ">"
    data += b"\0" * (len(data) % 2)
    table, values = b"", b""
    beyond = len(data) + 2 + 12 * len(entries) + 4
    for tag, numbers in sorted(entries.items()):
        body = pack(f"{order}{len(numbers)}I", *numbers)
        if len(numbers) == 1 and tag in (_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES):
            table += pack(f"{order}HHIHH", tag, _SHORT, 1, numbers[0], 0)
        elif len(numbers) == 1:
            table += pack(f"{order}HHI", tag, _LONG, 1) + body
        else:
            table += pack(f"{order}HHII", tag, _LONG, len(numbers), beyond + len(values))
            values += body
    directory = pack(f"{order}H", len(entries)) + table + bytes(4) + values
    head = (b"II" if order == "<" else b"MM") + pack(f"{order}HI", 42, len(data))
    return head + data[8:] + directory


def _rows(view: Image.Image, top: int, bottom: int, layout: Layout) -> NDArray[Any]:
    """Samples of some rows of a plane, shape (n, width, each); predictors are undone."""
    grey = np.asarray(cropped(view, (0, top, view.width, bottom)))
    predictor = layout.tags.get(_PREDICTOR, 1) if layout.tags.get(_COMPRESSION, 1) != 1 else 1
    wide = layout.tile_width * layout.pixel_bytes
    undo = {2: _undo_differences, 3: _undo_float_differences}.get(predictor, _as_they_are)
    parts = [undo(grey[:, at : at + wide], layout) for at in range(0, view.width, wide)]
    return np.concatenate(parts, 1)[:, : layout.width]


def _as_they_are(grey: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """Samples of a strip or tile, shape (n, width, each), from its bytes (n, width × bytes)."""
    return np.ascontiguousarray(grey).view(layout.kind).reshape(len(grey), -1, layout.each)


def _undo_differences(grey: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """The same where each sample is the difference to the one on its left."""
    whole = np.dtype(f"{layout.kind.byteorder}u{layout.kind.itemsize}")
    steps = np.ascontiguousarray(grey).view(whole).reshape(len(grey), -1, layout.each)
    # numpy adds up in the byte order of the machine, whatever that of the type is.
    summed = np.cumsum(steps, 1, dtype=whole.newbyteorder("="))
    return summed.view(layout.kind.newbyteorder("="))


def _undo_float_differences(grey: NDArray[np.uint8], layout: Layout) -> NDArray[Any]:
    """The same where the bytes are sorted by weight, the heaviest first, and differenced then."""
    size, each = layout.kind.itemsize, layout.each
    summed = np.cumsum(grey.reshape(len(grey), -1, each), 1, dtype=np.uint8)
    by_weight = summed.reshape(len(grey), size, -1)
    heavy_first = np.ascontiguousarray(by_weight.transpose(0, 2, 1))
    return heavy_first.view(f">f{size}").reshape(len(grey), -1, each)


def _told(layout: Layout) -> tuple[float, float] | None:
    """The values that mean black and white, where the file tells others than its type has."""
    if layout.kind.itemsize == 1 and layout.kind.kind == "u":
        return 0.0, 255.0
    nominal = float(np.iinfo(layout.kind).max) if layout.kind.kind != "f" else None
    for least, greatest in ((_SAMPLE_LEAST, _SAMPLE_GREATEST), (_LEAST, _GREATEST)):
        high = _numbers(layout.tags.get(greatest))
        low = _numbers(layout.tags.get(least)) or [0.0]
        if high and max(high) > min(low) and max(high) != nominal:
            return min(low), max(high)
    return None


def _numbers(value: object) -> list[float]:
    """The numbers of a tag that has one for each channel, or one for all."""
    numbers = value if isinstance(value, tuple) else (value,)
    return [float(number) for number in numbers if isinstance(number, (int, float))]


def _nothing(value: object) -> float | None:
    """The number that GDAL's text names."""
    try:
        return float(str(value).strip(" \0"))
    except ValueError:
        return None
