"""How the index behaves as it grows, within a budget of memory, and through filters.

    python -m bench.growth all.clr --out growth.png                    # 10,000, 100,000, 1,000,000
    python -m bench.growth all.clr --sizes 10000 100000 --out growth.png

Vectors are those of the collection or, where more are needed, mimic them as in `bench.search`. Each
index is built in a process and opened in another. Budgets are given as `build-index --memory`; the
memory is what of the opening process is its own (RssAnon), beyond what it had before: the mapped
vectors are in the cache of the system, which gives them up when it needs the room. Beside it stands
the size of the structure, since a small one fits into memory that the allocator had left over.

Filters are nested folders that hold from all to one in ten thousand of the items: once drawn at
random, and once those nearest to one picture, so that a query's own neighbourhood is mostly or
wholly outside. Recall@10 is counted against the exact neighbours within the folder.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from bench.made import write_vectors
from bench.search import K, Vectors, nearest, vectors_of
from clr_search.index import Index, encoder_file

QUERIES = 400
SHARES = (1.0, 0.5, 0.1, 0.01, 0.001, 0.0001)


def memory_of_ours(name: str) -> float:
    """`RssAnon`, without what is mapped from files, or `VmHWM`, the peak; in MB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1e3


def build(collection: Path, memory: int | None) -> dict[str, Any]:
    """Build the structure, in this process."""
    began = time.perf_counter()
    with Index.open(collection, writable=True) as index:
        if memory is not None:
            index.aim(memory=memory)
        index.settle()
    return {"build": time.perf_counter() - began, "peak": memory_of_ours("VmHWM")}


def look(collection: Path, queries: Vectors, truth: NDArray[np.int64]) -> dict[str, Any]:
    """Open and search, in this process."""
    import faiss  # neither its memory nor the fifth of a second that it takes is the index's

    faiss.omp_get_max_threads()
    before = memory_of_ours("RssAnon")
    began = time.perf_counter()
    index = Index.open(collection)
    index.search_vectors(queries[:1], K)
    found: dict[str, Any] = {"open": time.perf_counter() - began}
    ids = index.search_vectors(queries, K).ids - 1
    found["memory"] = memory_of_ours("RssAnon") - before
    hits = [len(set(a) & set(b)) / K for a, b in zip(ids, truth, strict=True)]
    taken = []
    for query in queries:
        began = time.perf_counter()
        index.search_vectors(query[None], K)
        taken.append(1e3 * (time.perf_counter() - began))
    found |= {"p50": float(np.median(taken)), "p99": float(np.quantile(taken, 0.99))}
    began = time.perf_counter()
    for _ in range(3):
        index.search_vectors(queries, K)
    found["batch"] = 3 * len(queries) / (time.perf_counter() - began)
    info = index.info()
    found |= {"recall": float(np.mean(hits)), "structure": info.structure}
    return found | {"bytes": (info.bytes_per_vector or 0) * info.count}


def step(name: str, *arguments: object) -> dict[str, Any]:
    """`build` or `look` in a process of its own."""
    command = [sys.executable, "-m", "bench.growth", "--step", name, *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def as_kept(rows: Vectors) -> Vectors:
    """Make rows as the collection has them, in place: ten million fill half of the memory."""
    for at in range(0, len(rows), 100_000):
        kept = rows[at : at + 100_000].astype(np.float16).astype(np.float32)
        rows[at : at + 100_000] = kept / np.linalg.norm(kept, axis=1, keepdims=True)
    return rows


def truth_of(rows: Vectors, queries: Vectors) -> NDArray[np.int64]:
    """Positions of the true neighbours, exactly, looked for in one part of the rows at a time."""
    found: NDArray[np.int64] = np.empty((len(queries), 0), np.int64)
    scores: NDArray[np.float32] = np.empty((len(queries), 0), np.float32)
    for at in range(0, len(rows), 500_000):
        part = rows[at : at + 500_000]
        places = nearest(part, queries)
        found = np.concatenate([found, places + at], axis=1)
        scores = np.concatenate([scores, np.einsum("qd,qkd->qk", queries, part[places])], axis=1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
        found = np.take_along_axis(found, best, axis=1)
        scores = np.take_along_axis(scores, best, axis=1)
    return found


def grow(
    rows: Vectors, queries: Vectors, folder: Path, encoder: Path, memory: int | None
) -> dict[str, Any]:
    """Build over rows, and look."""
    collection = folder / "c.clr"
    names = [f"{number:07d}.jpg" for number in range(len(rows))]
    write_vectors(collection, rows, encoder, names)
    np.savez(folder / "asked.npz", queries=queries, truth=truth_of(rows, queries))
    built = step("build", collection, memory or 0)
    return built | step("look", collection, folder / "asked.npz")


def through_filters(
    rows: Vectors, queries: Vectors, near: bool, folder: Path, encoder: Path
) -> None:
    """Print a row for each share of the items that a folder holds."""
    generator = np.random.default_rng(3)
    rank = generator.permutation(len(rows))
    if near:
        rank[np.argsort(-(rows @ rows[rank[0]]))] = np.arange(len(rows))
    depth = [sum(r < share * len(rows) for share in SHARES[1:]) for r in rank]
    names = [f"{'in/' * inside}{n:07d}.jpg" for n, inside in enumerate(depth)]
    collection = folder / "c.clr"
    write_vectors(collection, rows, encoder, names)
    step("build", collection, 0)
    with Index.open(collection) as index:
        index.search_vector(queries[0], K)
        for inside, share in enumerate(SHARES):
            members = np.flatnonzero(np.asarray(depth) >= inside)
            under = "in/" * inside or None
            truth = members[nearest(rows[members], queries)]
            taken, hits = [], []
            for query, true in zip(queries, truth, strict=True):
                began = time.perf_counter()
                found = index.search_vector(query, K, under=under).ids - 1
                taken.append(1e3 * (time.perf_counter() - began))
                hits.append(len(set(found.tolist()) & set(true.tolist())) / len(true))
            drawn = "nearest to one picture" if near else "drawn at random"
            print(
                f"| {drawn} | {share:.2%} | {len(members):,} | {np.mean(hits):.3f} "
                f"| {np.median(taken):.1f} | {np.quantile(taken, 0.99):.1f} |",
                flush=True,
            )


def plot(found: dict[int, dict[str, Any]], path: Path) -> None:
    """Build time and latency against the number of items, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    sizes = list(found)
    left.loglog(sizes, [one["build"] for one in found.values()], "o-")
    left.set(title="Choosing and building the structure", xlabel="items", ylabel="seconds")
    right.loglog(sizes, [one["p50"] for one in found.values()], "o-", label="median")
    right.loglog(sizes, [one["p99"] for one in found.values()], "o--", label="p99")
    right.set(title="One search after the other", xlabel="items", ylabel="milliseconds")
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3, which="both")
    figure.savefig(path, dpi=120)


def growth(
    everything: Vectors, queries: Vectors, sizes: list[int], encoder: Path
) -> dict[int, dict[str, Any]]:
    """Print the table of growth."""
    print(
        "| items | structure | build, s | peak of the build, MB | batch, queries/s | p50, ms "
        "| p99, ms | recall@10 | own memory, MB | open and first query, s |\n|---|" + "---|" * 9
    )
    found = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            one = found[size] = grow(everything[:size], queries, Path(name), encoder, None)
        print(
            f"| {size:,} | {one['structure']} | {one['build']:.1f} | {one['peak']:,.0f} "
            f"| {one['batch']:,.0f} | {one['p50']:.2f} | {one['p99']:.2f} | {one['recall']:.3f} "
            f"| {one['memory']:,.0f} | {one['open']:.2f} |",
            flush=True,
        )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path, nargs="?")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--out", type=Path, default=Path("growth.png"))
    parser.add_argument("--step", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        name, collection, last = given.step
        if name == "build":
            print(json.dumps(build(Path(collection), int(last) or None)))
        else:
            asked = np.load(last)
            print(json.dumps(look(Path(collection), asked["queries"], asked["truth"])))
        return
    real = vectors_of(given.collection, None)
    encoder = given.collection / encoder_file.FILE_NAME
    order = np.random.default_rng(1).permutation(len(real))
    queries, real = real[order[:QUERIES]], as_kept(real[order[QUERIES:]])
    more = max(given.sizes) > len(real)
    everything = as_kept(vectors_of(given.collection, max(given.sizes))) if more else real
    print(f"{machine()}\n")
    print(f"Vectors of length {real.shape[1]} that mimic those of {given.collection.name}.\n")
    plot(growth(everything, queries, given.sizes, encoder), given.out)
    print(
        "\n| items | budget, MB | structure | its size, MB | own memory, MB | recall@10 | p50, ms "
        "|\n|" + "---|" * 7
    )
    size = min(len(real), 100_000)
    for budget in (20, 6):
        with tempfile.TemporaryDirectory() as name:
            one = grow(real[:size], queries, Path(name), encoder, budget * 10**6)
        print(
            f"| {size:,} | {budget} | {one['structure']} | {one['bytes'] / 1e6:.1f} "
            f"| {one['memory']:.0f} "
            f"| {one['recall']:.3f} | {one['p50']:.2f} |",
            flush=True,
        )
    print("\n| folder of items | share | items | recall@10 | p50, ms | p99, ms |\n|" + "---|" * 6)
    for near in (False, True):
        with tempfile.TemporaryDirectory() as name:
            through_filters(real, queries, near, Path(name), encoder)


if __name__ == "__main__":
    main()
