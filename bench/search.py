"""Nearest neighbours: ours beside hnswlib, usearch, autofaiss and flat FAISS, on the same vectors.

    python -m bench.search all.clr                       # the vectors of a collection
    python -m bench.search all.clr --mimic 1000000       # so many that are like them
    python -m bench.search all.clr --autofaiss af/bin/python   # with it, from where it is installed

Each contender runs in processes of its own: one builds and saves, another opens, answers a first
query, and is measured. Two thousand vectors are held out as queries: on half of them each is set to
the least effort that reaches recall@10 of 0.97, on the other half it is measured, in one batch and
one after the other. They are measured in turn, three times, and the median counts. All use all
cores for building and for batches.

Vectors that mimic are a vector of the collection plus 0.3 times the difference of two others: of
the same mean and nearly the same covariance, as crowded in places, and none of them a copy.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.machine import machine, resident
from bench.made import write_vectors
from clr_search.cores import usable_cores
from clr_search.index import Index, encoder_file
from clr_search.index.ann.goal import RECALL

Vectors = NDArray[np.float32]

K = 10
QUERIES = 2000
SINGLE = 500


class Contender(ABC):
    """An index under measurement."""

    @abstractmethod
    def build(self, rows: Vectors, path: Path) -> None:
        """Over these rows, and save it."""

    @abstractmethod
    def open(self, path: Path) -> None:
        """What was saved."""

    @abstractmethod
    def efforts(self) -> Iterator[str]:
        """Set rising efforts, one after the other, and name them."""

    @abstractmethod
    def search(self, queries: Vectors) -> NDArray[np.int64]:
        """Positions of the ten nearest of each."""


class Ours(Contender):
    """`Index.search_vectors`: the structure it chooses itself, scored on the stored vectors."""

    def build(self, rows: Vectors, path: Path) -> None:
        with Index.open(path, writable=True) as index:
            index.settle()

    def open(self, path: Path) -> None:
        self.index = Index.open(path)

    def efforts(self) -> Iterator[str]:
        yield self.index.info().structure

    def search(self, queries: Vectors) -> NDArray[np.int64]:
        return self.index.search_vectors(queries, K).ids - 1


class OursAsGraph(Ours):
    """The same with `build-index --graph`."""

    def build(self, rows: Vectors, path: Path) -> None:
        with Index.open(path, writable=True) as index:
            index.aim(graph=True)
            index.settle()


class OursToServe(Ours):
    """The same with `build-index --serve balanced`, and the extra `[fast]`."""

    def build(self, rows: Vectors, path: Path) -> None:
        with Index.open(path, writable=True) as index:
            index.aim(serve="balanced")
            index.settle()


class Symphony(Contender):
    """SymphonyQG as it is, without its candidates' scores: the ceiling for `--serve`."""

    def build(self, rows: Vectors, path: Path) -> None:
        from rabitqlib import SymqgIndex

        index = SymqgIndex(rows.shape[1], 32, "ip", 8)
        index.build(np.ascontiguousarray(rows), 100, usable_cores())
        index.save(str(path))

    def open(self, path: Path) -> None:
        from rabitqlib import SymqgIndex

        self.index, self.effort = SymqgIndex.load(str(path)), K

    def efforts(self) -> Iterator[str]:
        for self.effort in (10, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 1024):
            yield f"ef {self.effort}"

    def search(self, queries: Vectors) -> NDArray[np.int64]:
        threads = 1 if len(queries) == 1 else usable_cores()
        found = self.index.search_batch(queries, K, self.effort, threads)[0]
        return np.asarray(found, np.int64)


class Hnswlib(Contender):
    """Its defaults: M 16, ef_construction 200."""

    def build(self, rows: Vectors, path: Path) -> None:
        import hnswlib

        index = hnswlib.Index(space="ip", dim=rows.shape[1])
        index.init_index(len(rows), M=16, ef_construction=200, random_seed=0)
        index.add_items(rows)
        index.save_index(str(path))
        Path(f"{path}.json").write_text(json.dumps(rows.shape))

    def open(self, path: Path) -> None:
        import hnswlib

        _, dimension = json.loads(Path(f"{path}.json").read_text())
        self.index = hnswlib.Index(space="ip", dim=dimension)
        self.index.load_index(str(path))

    def efforts(self) -> Iterator[str]:
        for effort in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024):
            self.index.set_ef(effort)
            yield f"ef {effort}"

    def search(self, queries: Vectors) -> NDArray[np.int64]:
        return np.asarray(self.index.knn_query(queries, k=K)[0], np.int64)


class Usearch(Contender):
    """Its defaults, with half-precision vectors, as it recommends."""

    def build(self, rows: Vectors, path: Path) -> None:
        from usearch.index import Index as Graph

        index = Graph(ndim=rows.shape[1], metric="ip", dtype="f16")
        index.add(np.arange(len(rows)), rows, threads=usable_cores())
        index.save(str(path))
        Path(f"{path}.json").write_text(json.dumps(rows.shape[1]))

    def open(self, path: Path) -> None:
        self._path, self.index = path, self._opened(path, 0)

    def efforts(self) -> Iterator[str]:
        for effort in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024):
            self.index = self._opened(self._path, effort)  # it can be set only so
            yield f"expansion {effort}"

    @staticmethod
    def _opened(path: Path, effort: int) -> Any:
        from usearch.index import Index as Graph

        dimension = json.loads(Path(f"{path}.json").read_text())
        graph = Graph(ndim=dimension, metric="ip", dtype="f16", expansion_search=effort or None)
        graph.load(str(path))
        return graph

    def search(self, queries: Vectors) -> NDArray[np.int64]:
        found = self.index.search(queries, K, threads=usable_cores())
        return np.asarray(found.keys, np.int64).reshape(len(queries), K)


class Flat(Contender):
    """FAISS, exact."""

    def build(self, rows: Vectors, path: Path) -> None:
        import faiss

        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(rows)
        faiss.write_index(index, str(path))

    def open(self, path: Path) -> None:
        import faiss

        self.index = faiss.read_index(str(path))

    def efforts(self) -> Iterator[str]:
        yield "exact"

    def search(self, queries: Vectors) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self.index.search(queries, K)[1]
        return found


class Autofaiss(Flat):
    """The structure that autofaiss chooses, built by it in an environment of its own.

    It needs an older NumPy than we do. What it chose here is FAISS' HNSW; the effort it sets is for
    answers within 10 ms, so that it is set anew, as for all.
    """

    python: str | None = None

    def build(self, rows: Vectors, path: Path) -> None:
        base = path.with_name("base.npy")
        command = [str(self.python), "-c", _AUTOFAISS, str(base), str(path), str(usable_cores())]
        subprocess.run(command, check=True, capture_output=True)

    def open(self, path: Path) -> None:
        super().open(path)
        import faiss

        self._settings = faiss.ParameterSpace()

    def efforts(self) -> Iterator[str]:
        for effort in (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024):
            self._settings.set_index_parameter(self.index, "efSearch", effort)
            yield f"{type(self.index).__name__}, efSearch {effort}"


_AUTOFAISS = """
import sys
import numpy as np
from autofaiss import build_index
rows, path, cores = np.load(sys.argv[1]), sys.argv[2], int(sys.argv[3])
build_index(rows, index_path=path, index_infos_path=path + ".json", metric_type="ip",
            nb_cores=cores, verbose=40)
"""


CONTENDERS: dict[str, type[Contender]] = {
    "ours": Ours,
    "ours, --graph": OursAsGraph,
    "ours, --serve balanced": OursToServe,
    "SymphonyQG": Symphony,
    "hnswlib": Hnswlib,
    "usearch": Usearch,
    "autofaiss": Autofaiss,
    "flat FAISS": Flat,
}


OURS = ("ours", "ours, --graph", "ours, --serve balanced")


def build_one(name: str, folder: Path, path: Path) -> dict[str, Any]:
    """Build and save, in this process."""
    rows = np.load(folder / "base.npy", mmap_mode="r")
    contender = CONTENDERS[name]()
    itself = name in {*OURS, "autofaiss"}  # which read the vectors themselves
    given = np.empty((0, 0), np.float32) if itself else np.asarray(rows)
    began = time.perf_counter()
    contender.build(given, path)
    return {"build": time.perf_counter() - began}


def measure_one(name: str, folder: Path, path: Path) -> dict[str, Any]:
    """Open and search, in this process."""
    queries, truth = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    half = len(queries) // 2
    contender = CONTENDERS[name]()
    before = resident()
    began = time.perf_counter()
    contender.open(path)
    contender.search(queries[:1])
    found: dict[str, Any] = {"open": time.perf_counter() - began, "memory": resident() - before}

    def recall(part: slice) -> float:
        near = contender.search(queries[part])
        return float(
            np.mean([len(set(a) & set(b)) / K for a, b in zip(near, truth[part], strict=True)])
        )

    for effort in contender.efforts():
        found["effort"] = effort
        if recall(slice(0, half)) >= RECALL:
            break
    found["recall"] = recall(slice(half, None))
    times = []
    for _ in range(3):
        began = time.perf_counter()
        contender.search(queries[half:])
        times.append(time.perf_counter() - began)
    found["batch"] = (len(queries) - half) / min(times)
    singly = []
    for query in queries[half : half + SINGLE]:
        began = time.perf_counter()
        contender.search(query[None])
        singly.append(time.perf_counter() - began)
    found["single"] = 1 / float(np.median(singly))
    found["p99"] = 1000 * float(np.quantile(singly, 0.99))
    files = path.rglob("*") if path.is_dir() else [path]
    found["bytes"] = sum(file.stat().st_size for file in files if file.is_file())
    return found


def vectors_of(collection: Path, mimic: int | None) -> Vectors:
    """Of a collection, or so many that are like them."""
    with Index.open(collection) as index:
        rows = index.vectors()[1]
    if mimic is None:
        return rows
    generator = np.random.default_rng(0)
    made = np.empty((mimic, rows.shape[1]), np.float32)
    for at in range(0, mimic, 50_000):
        one, two, three = generator.integers(0, len(rows), (3, min(50_000, mimic - at)))
        part = rows[one] + 0.3 * (rows[two] - rows[three])
        made[at : at + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return made


def nearest(rows: Vectors, queries: Vectors) -> NDArray[np.int64]:
    """Positions of the true neighbours, exactly, by FAISS: K of them where there are so many."""
    import faiss

    flat = faiss.IndexFlatIP(rows.shape[1])
    flat.add(rows)
    found: NDArray[np.int64] = flat.search(queries, min(K, len(rows)))[1]
    return found


def prepare(rows: Vectors, folder: Path, encoder: Path) -> None:
    """Hold out queries, find their true neighbours, write what the processes read."""
    order = np.random.default_rng(1).permutation(len(rows))
    # As the collection keeps them, so that all compare the same vectors.
    base = rows[np.sort(order[QUERIES:])].astype(np.float16).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    queries = rows[order[:QUERIES]]
    np.save(folder / "truth.npy", nearest(base, queries))
    np.save(folder / "base.npy", base)
    np.save(folder / "queries.npy", queries)
    names = [f"{n // 1000:05d}/{n % 1000:03d}.jpg" for n in range(len(base))]
    for name in OURS:
        write_vectors(folder / name, base, encoder, names)


def run(step: str, name: str, folder: Path) -> dict[str, Any]:
    """A step in a process of its own."""
    command = [sys.executable, "-m", "bench.search", "--step", step, "--name", name]
    if Autofaiss.python:
        command += ["--autofaiss", Autofaiss.python]
    done = subprocess.run(
        [*command, "--folder", str(folder)], check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_rounds(chosen: list[str], folder: Path, rounds: int) -> dict[str, dict[str, Any]]:
    """Measure the contenders in turn, again and again, and take the median of every figure.

    A machine that is quicker in one minute than in the next is so for all of them.
    """
    found: dict[str, list[dict[str, Any]]] = {contender: [] for contender in chosen}
    for _ in range(rounds):
        for contender in chosen:
            found[contender].append(run("measure", contender, folder))
    return {
        contender: {
            key: value if isinstance(value, str) else float(np.median([one[key] for one in rows]))
            for key, value in rows[-1].items()
        }
        for contender, rows in found.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("collection", type=Path, nargs="?")
    parser.add_argument("--mimic", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without", action="append", default=[], choices=CONTENDERS)
    parser.add_argument("--autofaiss", help="a Python that has autofaiss; without, it is left out")
    for name in ("--step", "--name", "--folder"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    Autofaiss.python = given.autofaiss
    if given.step:
        work = build_one if given.step == "build" else measure_one
        folder = Path(given.folder)
        print(json.dumps(work(given.name, folder, folder / given.name)))
        return
    rows = vectors_of(given.collection, given.mimic)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(rows, folder, given.collection / encoder_file.FILE_NAME)
        kind = "that mimic those" if given.mimic else "the vectors"
        print(f"{machine()}\n")
        print(
            f"{len(rows) - QUERIES:,} vectors of length {rows.shape[1]}: {kind} of "
            f"{given.collection.name}; recall@10 of at least {RECALL}.\n"
        )
        print(
            "| | setting | build | batch, queries/s | single, queries/s | p99, ms | recall@10 "
            "| memory, MB | file, MB | open and first query |\n|---|" + "---|" * 9
        )
        without = {*given.without, *([] if given.autofaiss else ["autofaiss"])}
        chosen = [name for name in CONTENDERS if name not in without]
        built = {contender: run("build", contender, folder) for contender in chosen}
        for contender, measured in in_rounds(chosen, folder, given.rounds).items():
            got = built[contender] | measured
            print(
                f"| {contender} | {got['effort']} | {got['build']:.1f} s | {got['batch']:,.0f} "
                f"| {got['single']:,.0f} | {got['p99']:.2f} | {got['recall']:.3f} "
                f"| {got['memory']:,.0f} | {got['bytes'] / 1e6:,.0f} | {got['open']:.2f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
