"""What it costs FAISS that OpenBLAS does not know a processor, and what naming kernels brings.

    python -m bench.kernels

Each is measured in processes of its own, in turn, three times, of which the quickest counts:
k-means over 60,000 vectors of length 256, and 1,000 exact searches among them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import numpy as np

from bench.machine import machine
from bench.made import clustered

NAME, COUNT, DIMENSION, CELLS = "OPENBLAS_CORETYPE", 60_000, 256, 1024


def measure() -> None:
    """Print, as JSON, the kernels of this process and the seconds of both."""
    import faiss
    import threadpoolctl

    rows = clustered(COUNT, DIMENSION)
    began = time.perf_counter()
    faiss.Kmeans(DIMENSION, CELLS, niter=4, seed=1, min_points_per_centroid=1).train(rows)
    clustering = time.perf_counter() - began
    index = faiss.IndexFlatIP(DIMENSION)
    index.add(rows)
    began = time.perf_counter()
    index.search(rows[:1000], 10)
    searching = time.perf_counter() - began
    libraries = threadpoolctl.threadpool_info()
    blas = [one for one in libraries if one["user_api"] == "blas" and "faiss" in one["filepath"]]
    print(json.dumps([blas[0]["architecture"], clustering, searching]))


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == ["--measure"]:
        measure()
        return
    found: dict[str, list[tuple[float, float]]] = {}
    named = {NAME: os.environ[NAME]} if NAME in os.environ else {}  # by importing the index
    chosen = {name: value for name, value in os.environ.items() if name != NAME}
    for _ in range(3):
        for environment in (chosen | {NAME: ""}, chosen | named):
            done = subprocess.run(
                [sys.executable, "-m", "bench.kernels", "--measure"],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            kernels, *seconds = json.loads(done.stdout)
            found.setdefault(kernels, []).append((seconds[0], seconds[1]))
    print(f"{machine()}\n\n| kernels | k-means, s | 1,000 exact searches, s |\n|---|---|---|")
    for kernels, times in found.items():
        clustering, searching = np.min(times, axis=0)
        print(f"| {kernels} | {clustering:.2f} | {searching:.2f} |")


if __name__ == "__main__":
    main()
