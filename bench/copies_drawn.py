"""Collections in which it is known which pictures are copies, and of which.

Files are named ``<number>-original.png`` and ``<number>-<way>.jpg``. The ways are not those by
which the search for copies is calibrated: other qualities, sides, corners and texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path

from PIL import Image, ImageDraw

from bench.drawn import DRAWN
from clr_search import images
from clr_search.files.finding.find import find_images
from clr_search.files.write import sha256_bytes

Pairs = set[tuple[str, str]]
"""Pairs of file names, the lesser first."""


def re_encoded(picture: Image.Image) -> Image.Image:
    """As it is; all copies are written as JPEG."""
    return picture


def resized(picture: Image.Image) -> Image.Image:
    """At 70 % of its sides."""
    size = (round(0.7 * picture.width), round(0.7 * picture.height))
    return picture.resize(size, Image.Resampling.LANCZOS)


def cropped(picture: Image.Image) -> Image.Image:
    """Without its left and upper tenth."""
    width, height = picture.size
    return picture.crop((round(0.1 * width), round(0.1 * height), width, height))


def rotated(picture: Image.Image) -> Image.Image:
    """Turned by 2° clockwise, the corners black."""
    return picture.rotate(-2, Image.Resampling.BILINEAR)


def watermarked(picture: Image.Image) -> Image.Image:
    """With white text near the lower edge."""
    marked = picture.copy()
    width, height = marked.size
    ImageDraw.Draw(marked).text(
        (width / 2, 0.85 * height),
        "example.org",
        fill="white",
        anchor="mm",
        font_size=max(8, height // 9),
    )
    return marked


WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded": re_encoded,
    "resized": resized,
    "cropped": cropped,
    "rotated": rotated,
    "watermark": watermarked,
}
"""Functions that copy an RGB picture, by the name of the way."""


def quality(way: str) -> int:
    """Returns the quality of JPEG at which a copy is written."""
    return 45 if way == "re-encoded" else 90


Draw = Callable[[int], Image.Image]
"""Returns picture `number` of a collection."""


def photographs(folder: Path, count: int, seed: int = 0) -> tuple[Draw, int]:
    """Returns at most so many photographs of different content of a folder, and their number."""
    by_content = {sha256_bytes(f.path.read_bytes()): f.path for f in find_images([folder])}
    paths = list(by_content.values())
    chosen = random.Random(seed).sample(paths, min(count, len(paths)))
    return lambda number: Image.fromarray(images.load(chosen[number]).pixels), len(chosen)


def kinds(photos: Sequence[Path], count: int) -> dict[str, tuple[Draw, int]]:
    """Returns all kinds of collections by name, each with its number of pictures."""
    drawn: dict[str, tuple[Draw, int]] = {
        kind: (partial(_first_series, kind), count) for kind in DRAWN
    }
    return drawn | {f"photos ({path.name})": photographs(path, count) for path in photos}


def _first_series(kind: str, number: int) -> Image.Image:
    """Returns a picture of the first series of a kind."""
    return DRAWN[kind](number, 0)


def write(draw: Draw, folder: Path, count: int) -> None:
    """Write pictures that all differ."""
    folder.mkdir()
    for number in range(count):
        draw(number).convert("RGB").save(folder / f"{number:06d}-original.png")


def copy(folder: Path, count: int) -> dict[str, str]:
    """Copy the first pictures of a folder in all ways.

    Returns
    -------
    dict of str to str
        The name of the original, by that of each copy.
    """
    family = {}
    for path in sorted(folder.iterdir())[:count]:
        with Image.open(path) as picture:
            for way, made in WAYS.items():
                name = path.name.replace("original.png", f"{way}.jpg")
                made(picture).save(folder / name, quality=quality(way))
                family[name] = path.name
    return family


def true_pairs(pairs: Pairs) -> int:
    """Returns how many of the pairs are of one original."""
    return sum(one.partition("-")[0] == other.partition("-")[0] for one, other in pairs)


def found(pairs: Pairs, family: dict[str, str]) -> set[str]:
    """Returns the copies that are in a pair with their originals."""
    return {copy for copy, o in family.items() if (min(copy, o), max(copy, o)) in pairs}


def paired(groups: Sequence[Sequence[str]]) -> Pairs:
    """Returns all pairs within groups."""
    return {pair for group in groups for pair in combinations(sorted(group), 2)}
