"""A collection on Milvus beside the same in a folder: what they find, and how quickly.

    python -m bench.milvus --images clothing [--vectors 100000]

The pictures of a folder are embedded by the encoder that ships, and vectors are drawn in clusters.
Each collection is copied to milvus-lite and to a server on this machine; queries are vectors that
are like items, but none. Recall is the share of the exact ten neighbours, counted by NumPy, that is
found. Everything runs on the cores of one machine, the server as well: it says what the way to the
server costs, not what a cluster can do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine
from bench.made import clustered
from bench.milvus_server import Server
from clr_search.analysis.exchange.copying import copy_collection
from clr_search.index import Filter, Index

Vectors = NDArray[np.float32]

_K = 10


def queries_of(rows: Vectors, count: int) -> Vectors:
    """Unit vectors that are like rows: each is moved towards another."""
    generator = np.random.default_rng(1)
    first, second = generator.integers(len(rows), size=(2, count))
    mixed = rows[first] + 0.3 * rows[second]
    unit: Vectors = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
    return unit


def exact(ids: NDArray[np.int64], rows: Vectors, queries: Vectors) -> NDArray[np.int64]:
    """Ids of the exact ten neighbours of each query, by all scores."""
    parts = [
        np.argpartition(-(queries[n : n + 50] @ rows.T), _K, axis=1)[:, :_K]
        for n in range(0, len(queries), 50)
    ]
    found: NDArray[np.int64] = ids[np.concatenate(parts)]
    return found


def seconds(work: Callable[[], object]) -> float:
    """The seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(place: str, name: str, queries: Vectors) -> str:
    """A row of the table: what a collection finds, and how quickly."""
    with Index.open(place) as index:
        ids, rows = index.vectors()
        truth = exact(ids, rows, queries)
        index.search_vectors(queries[:20], _K)  # what is loaded once
        whole = [0.0]

        def batch() -> None:
            whole[0] = index.search_vectors(queries, _K).recall(truth)

        batched = seconds(batch)
        label = index.labels()[0]
        glob = Filter(glob="*[02468].jpg")
        singles = [seconds(partial(index.search_vector, q, _K)) for q in queries[:40]]
        filtered = [seconds(partial(index.search_vector, q, _K, label=label)) for q in queries[:10]]
        ways = [seconds(partial(index.search_vector, q, _K, where=glob)) for q in queries[:10]]
        structure = index.info().structure
    numbers = (
        f"{whole[0]:.4f}",
        f"{len(queries) / batched:,.0f}",
        *(f"{1e3 * float(np.median(times)):.1f}" for times in (singles, filtered, ways)),
    )
    return f"| {name} | {structure} | {' | '.join(numbers)} |"


def compare(source: Path, title: str, server: Server, folder: Path, count: int) -> None:
    """Copies a collection to both kinds of Milvus, and prints a table."""
    name = source.name.removesuffix(".clr")
    lite = f"milvus+file:{folder / f'{name}.db'}/{name}"
    with Index.open(source) as index:
        queries = queries_of(index.vectors()[1], count)
        size = len(index)
    copied = {
        "milvus-lite": seconds(lambda: copy_collection(source, lite)),
        "server": seconds(lambda: copy_collection(source, server.address(name))),
    }
    print(f"\n## {title}\n")
    print(
        "| | structure | recall@10 | queries/s, all at once | ms a query | with a label | "
        "with a glob |\n|---|---|---|---|---|---|---|"
    )
    print(measure(str(source), "folder", queries))
    print(measure(lite, "milvus-lite", queries))
    print(measure(server.address(name), "server, strong", queries))
    bounded = server.address(name, "?consistency=bounded")
    print(measure(bounded, "server, bounded", queries))
    cache = Path(os.environ["CLR_SEARCH_CACHE"]) / "milvus"
    shutil.rmtree(cache)

    def anew() -> None:
        with Index.open(server.address(name)) as index:
            assert len(index) == size

    taken = seconds(anew)
    held = sum(file.stat().st_size for file in cache.rglob("catalog.sqlite*"))
    print(
        f"\nCopied to milvus-lite in {copied['milvus-lite']:.0f} s, to the server in "
        f"{copied['server']:.0f} s, with the building of the index. A machine that sees the "
        f"collection for the first time reads its replica in {taken:.1f} s: "
        f"{held / size:,.0f} bytes an item."
    )


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CLR_SEARCH_CACHE"] = str(folder / "cache")
        print(f"{machine()}; Milvus 2.3.5 (the package `milvus`) on the same cores.")
        server = Server(folder / "server").start()
        try:
            images = folder / "pictures.clr"
            with Index.create(images) as index:
                index.update([arguments.images])
                count = len(index)
            compare(images, f"{count:,} pictures", server, folder, arguments.queries)
            made = folder / "vectors.clr"
            rows = clustered(arguments.vectors, 512, clusters=200)
            paths = [f"{n % 200}/{n}.jpg" for n in range(len(rows))]
            with Index.create(made, dimension=512) as index:
                index.add_vectors(rows, paths, root="/made")
            title = f"{arguments.vectors:,} vectors of 512 values in clusters"
            compare(made, title, server, folder, arguments.queries)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
