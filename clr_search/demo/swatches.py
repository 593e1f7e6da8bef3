"""A collection of pictures that needs no download: drawings of cloth swatches.

Each family is a pattern. Palette, scale, angle, weave, light and wear are random and independent of
the pattern, so that only structure distinguishes the families; an RGB histogram cannot. The same
seed gives the same picture on one machine. Between machines, the last digit of a sine may change a
few pixels by one level.

Layout of a collection::

    folder/<family>/<family>-000.jpg …
    folder/collection.json              the parameters; written last, it marks a complete collection
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clr_search.cores import usable_cores
from clr_search.demo import fabric
from clr_search.demo import patterns_botanical as botanical
from clr_search.demo import patterns_printed as printed
from clr_search.demo import patterns_woven as woven
from clr_search.demo.palettes import choose_palette
from clr_search.demo.plane import Pattern
from clr_search.errors import UsageError
from clr_search.files.write import atomic_path, write_atomically
from clr_search.progress import Reporter, Silent

REVISION = 1
"""Number that is increased when a drawing changes, so that older collections are drawn anew."""

MANIFEST = "collection.json"
"""Name of the file that marks a complete collection."""

QUALITY = 92
"""JPEG quality of the swatches, from 1 to 95."""


@dataclass(frozen=True, slots=True)
class Family:
    """A family of swatches, which share a pattern.

    Attributes
    ----------
    pattern : Pattern
        The function that draws it.
    fewest, most : float
        Range of the number of repeats across a swatch.
    turn : float
        Largest rotation in degrees, in both directions.
    """

    pattern: Pattern
    fewest: float
    most: float
    turn: float = 25.0


_FAMILIES: MappingProxyType[str, Family] = MappingProxyType(
    {
        "argyle": Family(woven.argyle, 3.0, 4.6),
        "basket-weave": Family(woven.basket_weave, 4.0, 6.5),
        "camouflage": Family(printed.camouflage, 3.0, 5.0),
        "chevron": Family(woven.chevron, 3.0, 5.0),
        "damask": Family(botanical.damask, 2.2, 3.2),
        "floral": Family(botanical.floral, 2.8, 4.2),
        "gingham": Family(woven.gingham, 4.0, 7.0),
        "herringbone": Family(woven.herringbone, 2.6, 4.0),
        "houndstooth": Family(woven.houndstooth, 3.5, 5.5),
        "ikat": Family(woven.ikat, 2.0, 3.2),
        "knit": Family(woven.knit, 7.0, 10.0),
        "leaves": Family(botanical.leaves, 2.2, 3.4),
        "leopard": Family(printed.leopard, 3.5, 5.5),
        "moroccan": Family(printed.moroccan, 2.6, 4.0),
        "paisley": Family(botanical.paisley, 2.2, 3.2),
        "polka-dots": Family(printed.polka_dots, 4.0, 7.0),
        "quilted": Family(woven.quilted, 3.0, 4.6),
        "sashiko": Family(woven.sashiko, 2.4, 3.6),
        "scales": Family(printed.scales, 2.8, 4.4),
        "shibori": Family(printed.shibori, 2.2, 3.4),
        "sprigs": Family(botanical.sprigs, 2.8, 4.2),
        "stars": Family(printed.stars, 3.2, 5.0),
        "stripes": Family(woven.stripes, 2.5, 4.5, turn=90.0),
        "tartan": Family(woven.tartan, 1.8, 3.0),
        "terrazzo": Family(printed.terrazzo, 4.5, 7.0),
        "trellis": Family(printed.trellis, 3.0, 4.6),
        "triangles": Family(printed.triangles, 4.0, 6.5),
        "waves": Family(printed.waves, 3.0, 4.6),
        "windowpane": Family(woven.windowpane, 3.0, 5.0),
        "zebra": Family(printed.zebra, 3.0, 4.6),
    }
)

FAMILIES: tuple[str, ...] = tuple(_FAMILIES)
"""Names of the pattern families, in alphabetical order."""


def draw(family: str, seed: int, size: int = 96, *, number: int = 0) -> NDArray[np.uint8]:
    """Draw one swatch.

    Parameters
    ----------
    family : str
        Name of the family, one of `FAMILIES`.
    seed : int
        Seed of the collection, at least 0.
    size : int
        Side in pixels, at least 16.
    number : int
        Number of the swatch within its family and seed, at least 0.

    Returns
    -------
    uint8 (size, size, 3)
        RGB. Equal arguments give equal pictures.

    Raises
    ------
    UsageError
        If the family is unknown or a number is out of range.

    Examples
    --------
    >>> draw("tartan", seed=0, size=32).shape
    (32, 32, 3)
    """
    if family not in _FAMILIES:
        raise UsageError(
            f"There is no family of swatches named {family!r}.",
            f"Choose from {', '.join(FAMILIES)}.",
        )
    if size < 16 or seed < 0 or number < 0:
        raise UsageError(
            f"Cannot draw a swatch of {size} pixels with seed {seed}, number {number}.",
            "The size is at least 16, seed and number at least 0.",
        )
    kind = _FAMILIES[family]
    # The seed includes the name of the family and not its position, so that a new family changes no
    # other. Separate streams let a change of a pattern leave colours and folds as they were.
    source = np.random.SeedSequence([seed, zlib.crc32(family.encode()), number])
    colour, pose, shape, finish = (np.random.default_rng(child) for child in source.spawn(4))
    angle = math.radians(pose.uniform(-kind.turn, kind.turn))
    repeats = math.exp(pose.uniform(math.log(kind.fewest), math.log(kind.most)))
    drape = fabric.lay(pose, size * fabric.OVERSAMPLING, angle)
    plane = fabric.plane_of(pose, drape, repeats)
    layers = kind.pattern(plane, shape)
    flat = fabric.paint(choose_palette(colour), layers, size * fabric.OVERSAMPLING)
    return fabric.cloth(finish, drape, flat, size)


@dataclass(frozen=True, slots=True)
class _Parameters:
    """The parameters of a collection, which its manifest records."""

    each: int
    size: int
    seed: int
    quality: int = QUALITY
    revision: int = REVISION
    families: tuple[str, ...] = FAMILIES

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def files(self, folder: Path) -> Iterator[tuple[str, int, Path]]:
        for number in range(self.each):
            for family in self.families:
                yield family, number, folder / family / f"{family}-{number:03d}.jpg"


def write_collection(
    folder: Path, *, each: int = 40, size: int = 96, seed: int = 0, reporter: Reporter | None = None
) -> Path:
    """Draw a collection of swatches into a folder, unless it is there already.

    Parameters
    ----------
    folder : Path
        Folder to write. A complete collection with the same parameters is left as it is.
    each : int
        Number of swatches of a family, at least 1.
    size : int
        Side of a swatch in pixels, at least 16.
    seed : int
        Seed of all swatches, at least 0.
    reporter : Reporter, optional
        Shows progress, swatch by swatch; silent by default.

    Returns
    -------
    Path
        `folder`.

    Raises
    ------
    UsageError
        If a number is out of range, or the folder holds anything but a collection of swatches.
    """
    if each < 1 or size < 16 or seed < 0:
        raise UsageError(
            f"Cannot draw {each} swatches a family of {size} pixels with seed {seed}.",
            "Draw at least 1 a family, at least 16 pixels, seed at least 0.",
        )
    folder, reporter = Path(folder), reporter or Silent()
    parameters = _Parameters(each, size, seed)
    if _is_complete(folder, parameters):
        return folder
    _clear(folder)
    work = list(parameters.files(folder))
    for family in parameters.families:
        (folder / family).mkdir(parents=True, exist_ok=True)
    # Threads suffice, as NumPy and the JPEG encoder release the interpreter lock in their loops.
    # Each swatch has its own seed, so that their order does not matter.
    with (
        reporter.task("Drawing", len(work), "swatches"),
        ThreadPoolExecutor(usable_cores()) as pool,
    ):
        for _ in pool.map(lambda item: _write(*item, size=size, seed=seed), work):
            reporter.advance()
    write_atomically(folder / MANIFEST, parameters.to_json())
    return folder


def _write(family: str, number: int, path: Path, *, size: int, seed: int) -> None:
    """Draw one swatch into a JPEG file."""
    picture = Image.fromarray(draw(family, seed, size, number=number))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="JPEG", quality=QUALITY, subsampling=0)


def _is_complete(folder: Path, parameters: _Parameters) -> bool:
    """Whether the folder holds a complete collection with these parameters."""
    manifest = folder / MANIFEST
    if not manifest.is_file() or manifest.read_bytes() != parameters.to_json().encode():
        return False
    return all(path.is_file() for _, _, path in parameters.files(folder))


def _clear(folder: Path) -> None:
    """Remove an older or incomplete collection, and refuse a folder with other files."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file.", "Name a folder for the swatches.")
    (folder / MANIFEST).unlink(missing_ok=True)  # It is first, since the rest is incomplete now.
    for path in sorted(folder.rglob("*")):
        family = path.parent.name
        drawn = family in FAMILIES and path.name.lstrip(".").startswith(f"{family}-")
        if drawn and path.is_file():
            path.unlink()
    strangers = [p for p in sorted(folder.iterdir()) if p.name not in FAMILIES or not p.is_dir()]
    strangers += [p for name in FAMILIES for p in sorted((folder / name).glob("*"))]
    if strangers:
        raise UsageError(
            f"{folder} holds files that are not swatches, such as {strangers[0].name}.",
            "Name an empty or new folder for the swatches.",
        )
