"""What giving work to a cluster of Ray costs, beside the pipeline of one process.

    python -m bench.ray_engine imagenette128 --count 6000 --times 3

Both embed the same pictures on all cores of this machine: the plain pipeline in this process; it
with worker processes, as with `--isolate`; and `RayEngine` with one actor a core, whose pictures
are decoded in worker processes, too. They take turns. The time until the first result is told by
itself: a cluster starts once. The speed is that between a quarter and nine tenths of the pictures,
so that neither what has gathered before the first result counts, nor the end, where some are idle.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from bench.machine import machine
from clr_search.cores import usable_cores
from clr_search.distributed.engine import RayEngine
from clr_search.files.find import find_images
from clr_search.images.isolation import DecodingLimits
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embed, by_pipeline


def timed(embed: Embed, encoder: Encoder, paths: list[str]) -> tuple[float, float]:
    """Seconds until the first result, and pictures a second in the middle."""
    began, done = time.perf_counter(), 0
    told: list[tuple[float, int]] = []
    for batch in embed(encoder, paths):
        done += len(batch)
        told.append((time.perf_counter() - began, done))
    middle = [row for row in told if len(paths) / 4 <= row[1] <= len(paths) * 9 / 10]
    (start, before), (end, after) = middle[0], middle[-1]
    return told[0][0], (after - before) / (end - start)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=6000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    paths = [str(image.path) for image in find_images([given.folder])][: given.count]
    encoder = Encoder(device="cpu")
    rows: dict[str, list[tuple[float, float]]] = {}
    for _ in range(given.times):
        rows.setdefault("this process", []).append(
            timed(by_pipeline(64, None, None), encoder, paths)
        )
        rows.setdefault("with worker processes", []).append(
            timed(by_pipeline(64, None, DecodingLimits()), encoder, paths)
        )
        with RayEngine(actors=usable_cores()) as engine:
            rows.setdefault("Ray", []).append(timed(engine.embed, encoder, paths))
    plain = statistics.median(speed for _, speed in rows["this process"])
    print(f"{len(paths):,} pictures, medians of {given.times} turns\n")
    print("| | first result after | images/s | of the plain pipeline |\n|---|---|---|---|")
    for name, turns in rows.items():
        start, speed = (statistics.median(turn[at] for turn in turns) for at in (0, 1))
        print(f"| {name} | {start:.1f} s | {speed:,.1f} | {speed / plain:.0%} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
