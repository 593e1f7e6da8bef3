"""What decoding in worker processes costs honest files, beside decoding in this process.

    python -m bench.decoding_workers camera_samples/photos flowers5 --times 7

The pipeline of `build-index` decodes the same files in this process and in worker processes
(`--isolate`), with and without the encoder that ships behind it. The two take turns, `--times`
rounds, so that whatever else the machine does falls on both; the medians are told, by the clock on
the wall and in seconds of the processor, of this process and its workers together. Starting the
workers is part of it; a folder with few files is gone over until `--least` are done. The pixels
must be the same.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.costly import saved
from bench.machine import machine
from clr_search.files.finding.find import find_images
from clr_search.images.isolation import DecodingLimits, DecodingWorkers
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Skipped, infer_files

LIMITS = DecodingLimits()

Way = Callable[[DecodingLimits | None], object]


def spent() -> NDArray[np.float64]:
    """The clock on the wall, and processor seconds of this process and of ended children."""
    return np.array([time.perf_counter(), sum(os.times()[:4])])


def decoded(files: Sequence[Path], size: int, limits: DecodingLimits | None) -> NDArray[np.uint8]:
    """The squares of all files, without an encoder."""
    batches = infer_files(lambda squares: squares, size, files, isolation=limits)
    return np.array([one[1] for batch in batches for one in batch if not isinstance(one, Skipped)])


def run(
    infer: Callable[[NDArray[np.uint8]], NDArray[np.generic]], size: int
) -> Callable[..., None]:
    """Go over files, and keep nothing."""

    def over(files: Sequence[Path], limits: DecodingLimits | None) -> None:
        for _ in infer_files(infer, size, files, isolation=limits):
            pass

    return over


def in_turn(way: Way, times: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median wall and processor seconds in this process, and in workers."""
    taken: dict[bool, list[NDArray[np.float64]]] = {False: [], True: []}
    for turn in range(times):
        for isolated in (False, True) if turn % 2 else (True, False):
            before = spent()
            way(LIMITS if isolated else None)
            taken[isolated].append(spent() - before)
    here, apart = (np.median(taken[isolated], axis=0) for isolated in (False, True))
    return here, apart


def compare(folder: Path, encoder: Encoder, times: int, least: int, most: int) -> None:
    """Print the rows of a folder: decoding alone, and embedding."""
    files = [file.path for file in find_images([folder])]
    random.Random(0).shuffle(files)
    files = files[:most]
    size = encoder.image_size
    if not np.array_equal(decoded(files, size, None), decoded(files, size, LIMITS)):
        raise SystemExit(f"{folder}: the pixels differ")
    files *= -(-least // len(files))
    for name, infer in (("decoded", lambda squares: squares), ("embedded", encoder.encode_squares)):
        over = run(infer, size)
        here, apart = in_turn(partial(over, files), times)
        rates, cores = [len(files) / taken[0] for taken in (here, apart)], [here[1], apart[1]]
        print(
            f"| {folder.name} | {name} | {rates[0]:,.0f} | {rates[1]:,.0f} "
            f"| **{rates[1] / rates[0]:.0%}** | {1000 * cores[0] / len(files):.2f} "
            f"| {1000 * cores[1] / len(files):.2f} |",
            flush=True,
        )


def starting(times: int) -> float:
    """Seconds from nothing to the first picture of a worker, in the median."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        with DecodingWorkers(1) as workers:
            workers.decode(saved("JPEG"))
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--least", type=int, default=2000, help="files of one round")
    parser.add_argument("--most", type=int, default=5000, help="of a folder, chosen at random")
    given = parser.parse_args()
    encoder = Encoder()
    print(f"{machine()}\n\nMedian of {given.times} rounds; milliseconds are of the processor.\n")
    print("| files | | here, a second | in workers | of it | ms here | ms in workers |")
    print("|---|---|---|---|---|---|---|")
    for folder in given.photos:
        compare(folder, encoder, given.times, given.least, given.most)
    print(
        f"\nA worker has decoded its first picture {starting(given.times):.2f} s after its start."
    )


if __name__ == "__main__":
    main()
