"""How threads of OpenMP wait for each other, beside nothing and beside busy processes.

    python -m bench.waiting

Threads that wait by spinning take a core from the thread that they wait for where other processes
want the cores, too. Each row is a process of its own, with two threads, in turn with the others:
k-means of 256 cells over 60,000 vectors, searches one by one, and in batches of 1,000.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np

from bench.machine import machine

POLICIES = {"of the library": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}}

PROGRAM = """
import time
import faiss
import numpy as np

faiss.omp_set_num_threads(2)
rows = np.random.default_rng(0).normal(size=(60_000, 128)).astype(np.float32)
began = time.perf_counter()
faiss.Kmeans(128, 256, niter=10, seed=1, max_points_per_centroid=10**6).train(rows)
means = time.perf_counter() - began
index = faiss.index_factory(128, "IVF256,PQ32x4fs")
index.train(rows)
index.add(rows)
index.nprobe = 8
for row in rows[:50]:
    index.search(row[None], 10)
began = time.perf_counter()
for row in rows[:1000]:
    index.search(row[None], 10)
single = (time.perf_counter() - began) / 1000
began = time.perf_counter()
for _ in range(10):
    index.search(rows[:1000], 10)
print(means, 1e6 * single, 1e6 * (time.perf_counter() - began) / 10_000)
"""


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never wait, during the context."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    print(machine() + "\n")
    print("Medians of", given.rounds, "rounds.\n")
    print("| busy processes | waiting | k-means, s | one search, µs | a query of a batch, µs |")
    print("|---|---|---|---|---|", flush=True)
    for count in (0, 1, 2):
        measured: dict[str, list[list[float]]] = {name: [] for name in POLICIES}
        with busy(count):
            for _ in range(given.rounds):
                for name, variables in POLICIES.items():
                    environment = {**os.environ, **variables, "OMP_NUM_THREADS": "2"}
                    told = subprocess.check_output(
                        [sys.executable, "-c", PROGRAM], env=environment, text=True
                    )
                    measured[name].append([float(value) for value in told.split()])
        for name, rows in measured.items():
            means, single, batch = np.median(rows, axis=0)
            print(f"| {count} | {name} | {means:.2f} | {single:.0f} | {batch:.1f} |", flush=True)


if __name__ == "__main__":
    main()
