"""What giving work to a cluster of Ray costs, beside the pipeline of one process.

    python -m bench.ray_engine imagenette128 --count 6000 --times 3

Both embed the same pictures on all cores of this machine: the plain pipeline in this process; it
with worker processes, as with `--isolate`; and `RayEngine` with one actor a core, whose pictures
are decoded in worker processes, too. They take turns. The time until the first result is told by
itself: a cluster starts once. The speed is that between a quarter and nine tenths of the pictures,
so that neither what has gathered before the first result counts, nor the end, where some are idle.
Beside it stands the time of the processor that a picture takes, of all processes together, which
another program on the machine changes little; that is what the engine costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path

from bench.machine import machine
from clr_search.cores import usable_cores
from clr_search.distributed.engine import RayEngine
from clr_search.files.finding.find import find_images
from clr_search.images.isolation import DecodingLimits
from clr_search.serve.encoder import Encoder
from clr_search.serve.pipeline import Embed, by_pipeline


def computed() -> float:
    """Seconds of the processor that this process, Ray's, and all below them have taken so far."""
    parents: dict[int, int] = {}
    taken: dict[int, float] = {}
    ours = {os.getpid()}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            number, words = int(folder.name), (folder / "cmdline").read_bytes()
            parents[number] = int(fields[1])
            # Its own, and what those of its children took that have ended.
            taken[number] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
            if words.startswith(b"ray::") or b"/ray/" in words:
                ours.add(number)
    while below := {n for n, above in parents.items() if above in ours} - ours:
        ours |= below
    return sum(taken.get(number, 0.0) for number in ours)


def timed(embed: Embed, encoder: Encoder, paths: list[str]) -> tuple[float, float, float]:
    """Seconds until the first result; of the middle, pictures a second and seconds computed."""
    began, done = time.perf_counter(), 0
    told: list[tuple[float, int, float]] = []
    for batch in embed(encoder, paths):
        done += len(batch)
        if not told or done >= told[-1][1] + len(paths) / 40:
            told.append((time.perf_counter() - began, done, computed()))
    middle = [row for row in told if len(paths) / 4 <= row[1] <= len(paths) * 9 / 10]
    (start, before, spent), (end, after, spent_then) = middle[0], middle[-1]
    count = after - before
    return told[0][0], count / (end - start), (spent_then - spent) / count


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
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(given.times):
        rows.setdefault("this process", []).append(
            timed(by_pipeline(64, None, None), encoder, paths)
        )
        rows.setdefault("with worker processes", []).append(
            timed(by_pipeline(64, None, DecodingLimits()), encoder, paths)
        )
        with RayEngine(actors=usable_cores()) as engine:
            rows.setdefault("Ray", []).append(timed(engine.embed, encoder, paths))
    plain = statistics.median(cost for _, _, cost in rows["this process"])
    print(f"{len(paths):,} pictures, medians of {given.times} turns\n")
    print("| | first result after | images/s | of the processor, a picture | |")
    print("|---|---|---|---|---|")
    for name, turns in rows.items():
        start, speed, cost = (statistics.median(turn[at] for turn in turns) for at in range(3))
        more = f"{cost / plain:.0%}"
        print(f"| {name} | {start:.1f} s | {speed:,.1f} | {cost * 1e3:.2f} ms | {more} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
