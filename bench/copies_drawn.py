"""Copies among pictures that look alike: ours beside a perceptual hash, kind by kind.

    python -m bench.copies_drawn --encoder default [--pictures 30] [--copied 10] [--photos FOLDER]

Each kind of `bench.drawn` (text pages, forms, scans, icons, patterns, renderings, medical grey,
blank or dark) is a collection of its own; with `--photos`, so many photographs of a folder are
another. First all pictures differ, and every group is wrong. Then some are copied as in
`bench.duplicates`; precision and recall are those of its table. The hash is `imagehash.phash` of
64 bits, with at most
10 different bits, where the package is installed.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

from PIL import Image

from bench.drawn import DRAWN
from bench.duplicates import COPIES, Pairs, ours, scores
from bench.machine import machine
from clr_search import images
from clr_search.contract.shipped import encoder_named
from clr_search.files.find import find_images

BITS = 10  # the default of imagededup for the same hash


def _drawn(kind: str, number: int) -> Image.Image:
    """A picture of the first series of a kind."""
    return DRAWN[kind](number, 0)


def write(draw: Callable[[int], Image.Image], folder: Path, count: int) -> None:
    """Write pictures ``<number>-original.png``."""
    folder.mkdir()
    for number in range(count):
        draw(number).convert("RGB").save(folder / f"{number:06d}-original.png")


def copy(folder: Path, count: int) -> dict[str, str]:
    """Copy the first pictures in all ways; gives the original's name by the copy's."""
    family = {}
    for path in sorted(folder.iterdir())[:count]:
        with Image.open(path) as picture:
            for kind, made in COPIES.items():
                name = path.name.replace("original.png", f"{kind}.jpg")
                made(picture, folder / name)
                family[name] = path.name
    return family


def hashed(folder: Path) -> Pairs | None:
    """Pairs that a perceptual hash finds; None if it is not installed."""
    if find_spec("imagehash") is None:
        return None
    phash = importlib.import_module("imagehash").phash
    hashes = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as picture:
            hashes[path.name] = phash(picture)
    return {
        (one, other)
        for one, other in combinations(hashes, 2)
        if hashes[one] - hashes[other] <= BITS
    }


def cells(pairs: Pairs | None, family: dict[str, str]) -> str:
    """Precision and recall for a table."""
    if pairs is None:
        return "not installed | "
    precision, recall, _ = scores(pairs, family)
    return f"{100 * precision:.1f} | {100 * recall:.1f}" if pairs else f"no pairs | {recall:.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", type=encoder_named, required=True)
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--copied", type=int, default=10)
    parser.add_argument("--photos", type=Path)
    given = parser.parse_args()
    kinds: dict[str, Callable[[int], Image.Image]] = {kind: partial(_drawn, kind) for kind in DRAWN}
    if given.photos is not None:
        files = [file.path for file in find_images([given.photos])]
        step = max(1, len(files) // given.pictures)
        kinds["photos"] = lambda number: Image.fromarray(images.load(files[number * step]).pixels)
    print(machine(), "\n")
    print(f"{given.pictures} pictures of each kind, {given.copied} of them copied in 5 ways\n")
    print(
        "| | wrong pairs where all differ: ours | hash | ours: precision | recall "
        "| hash: precision | recall |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for kind, draw in kinds.items():
        with tempfile.TemporaryDirectory() as temporary:
            out, folder = Path(temporary), Path(temporary) / "pictures"
            write(draw, folder, given.pictures)
            for name in ("alone", "copied"):
                (out / name).mkdir()
            alone, _, _ = ours(folder, given.encoder, out / "alone")
            alone_hashed = hashed(folder)
            family = copy(folder, given.copied)
            pairs, _, _ = ours(folder, given.encoder, out / "copied")
            wrong = "" if alone_hashed is None else len(alone_hashed)
            print(
                f"| {kind} | {len(alone)} | {wrong} | {cells(pairs, family)} "
                f"| {cells(hashed(folder), family)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
