"""A build that is killed with -9 at random instants ends complete, with every picture once.

    python -m bench.kill flowers5 --encoder encoder.onnx [--kills 5] [--seed 0]

The instants are drawn over the first half of the time that an uninterrupted build takes. In the end
the collection must hold the same paths and the same vectors as the uninterrupted one, and no batch
may have been embedded twice: ids count the insertions.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.machine import machine
from clr_search.index import Index


def ended(program: Sequence[str], kill_after: float | None) -> bool:
    """Run a program of Python, and kill it after some seconds; True if it ended by itself."""
    process = subprocess.Popen(
        [sys.executable, *program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if process.wait(timeout=kill_after) != 0:
            raise SystemExit(f"it failed by itself: {' '.join(program)}")
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return False
    return True


def build(images: Path, collection: Path, encoder: Path, kill_after: float | None) -> bool:
    """Build in a process of its own; True if it ended by itself."""
    program = ["-m", "clr_search", "build-index", str(images)]
    return ended([*program, "--index", str(collection), "--encoder", str(encoder)], kill_after)


def content(collection: Path) -> dict[str, bytes]:
    """Vector by path."""
    with Index.open(collection) as index:
        held = index.embeddings()
    paths = [str(path) for path in held.paths]
    if len(set(paths)) != len(paths):
        raise SystemExit("a picture is in the collection twice")
    return {
        path: row.astype(np.float16).tobytes()
        for path, row in zip(paths, held.vectors, strict=True)
    }


def insertions(collection: Path) -> int:
    """How many items were ever inserted: ids are never used twice."""
    with sqlite3.connect(collection / "catalog.sqlite") as database:
        (last,) = database.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'items'"
        ).fetchone()
        return int(last)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole.clr", Path(folder) / "killed.clr"
        began = time.perf_counter()
        build(arguments.images, whole, arguments.encoder, None)
        usual = time.perf_counter() - began
        done, kills, held = False, 0, []
        while kills < arguments.kills and not done:
            # Each run goes on from what the last one kept, so that all have something to do.
            instant = chance.uniform(0.1, 0.45) * usual
            done = build(arguments.images, killed, arguments.encoder, instant)
            if not done:
                kills += 1
                held.append(len(content(killed)) if (killed / "catalog.sqlite").exists() else 0)
        build(arguments.images, killed, arguments.encoder, None)
        expected, found = content(whole), content(killed)
        close = all(
            np.abs(
                np.frombuffer(expected[path], np.float16).astype(np.float32)
                - np.frombuffer(found[path], np.float16).astype(np.float32)
            ).max()
            <= 2e-3
            for path in expected
        )
        print(machine(), "\n")
        print(f"uninterrupted: {len(expected):,} pictures in {usual:.1f} s")
        print(f"killed {kills} times; pictures kept after each kill: {held}")
        print(f"in the end: {len(found):,} pictures, {insertions(killed):,} insertions")
        same = expected.keys() == found.keys() and close and insertions(killed) == len(found)
        print("complete, each embedded once" if same else "NOT THE SAME")
        sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
