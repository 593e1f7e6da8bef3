"""What other tolerances would do to the comparison of two pictures, one at a time.

    python -m bench.copy_tolerances [--photos FOLDER ...] [--pictures 16] [--copied 6] [--fields …]

Of each kind of `bench.drawn`, and of photographs of each folder, every two neighbours are compared,
which differ, and some pictures with their copies of the five ways of `bench.copies_drawn`. For
each field of `Tolerance`, at a quarter less and a quarter more, the table has the number of wrong
copies among all that differ, and of those that are found among all that are copies.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields, replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from bench.copies_drawn import WAYS, kinds, quality
from bench.machine import machine
from clr_search.analysis.comparison.detail import Detail
from clr_search.analysis.comparison.judgement import compare
from clr_search.analysis.comparison.overlay import Placement, Sketch, placed
from clr_search.analysis.comparison.tiles import Tolerance

Pair = tuple[Detail, Detail, Placement]


def pair(one: Image.Image, other: Image.Image) -> Pair:
    """Returns two RGB pictures, made ready to be compared."""
    first, second = np.asarray(one), np.asarray(other)
    return Detail(first), Detail(second), placed(Sketch(first), Sketch(second))


def copies(picture: Image.Image) -> Iterator[Image.Image]:
    """Yields the copies of a picture, each as it comes out of a file."""
    for way, made in WAYS.items():
        buffer = BytesIO()
        made(picture).save(buffer, "JPEG", quality=quality(way))
        yield Image.open(buffer).convert("RGB")


def pairs(photos: list[Path], count: int, copied: int) -> tuple[list[Pair], list[Pair]]:
    """Returns pairs that differ, and pairs of a picture and its copy."""
    different, same = [], []
    for draw, there in kinds(photos, count).values():
        pictures = [draw(number).convert("RGB") for number in range(there)]
        different += [pair(*two) for two in pairwise(pictures)]
        same += [pair(picture, copy) for picture in pictures[:copied] for copy in copies(picture)]
    return different, same


def told(some: list[Pair], tolerance: Tolerance) -> int:
    """Returns how many of some pairs are taken for copies."""
    return sum(compare(*pair, tolerance).is_copy for pair in some)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, nargs="+", default=[])
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--copied", type=int, default=6)
    parser.add_argument("--fields", nargs="+", default=[field.name for field in fields(Tolerance)])
    given = parser.parse_args()
    different, same = pairs(given.photos, given.pictures, given.copied)

    def cell(tolerance: Tolerance) -> str:
        return f"{told(different, tolerance)} / {told(same, tolerance)}"

    now = Tolerance()
    print(machine(), "\n")
    print(f"Wrong of {len(different)} that differ / found of {len(same)} copies\n")
    print("| | value | a quarter less | as it is | a quarter more |\n|---|---|---|---|---|")
    middle = cell(now)
    for name in given.fields:
        value = getattr(now, name)
        less, more = (cell(replace(now, **{name: factor * value})) for factor in (0.75, 1.25))
        print(f"| {name} | {value} | {less} | {middle} | {more} |", flush=True)


if __name__ == "__main__":
    main()
