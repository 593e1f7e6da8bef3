"""Search structures killed with -9 while they are built, and harmed on disk: all is still found.

    python -m bench.structures --kills 100 --spots 1000

For each kind of structure, a collection of made vectors is settled anew in a process of its own,
which is killed at a random instant, again and again. After each kill, the collection is opened for
reading and searched: the structure of before or after must answer at its recall, and every id must
be an item. Then bytes of the two files of the structure are flipped or zeroed, one spot after the
other, and a reader must notice: what it then answers are the exact neighbours, and it says so. In
the end a writer mends what was harmed last.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.kill import ended
from bench.machine import machine
from bench.made import Vectors, clustered, write_tiny_encoder, write_vectors
from bench.search import nearest
from clr_search.index import Index
from clr_search.index.ann.quantised import available
from clr_search.progress import Silent

ITEMS, DIMENSION, QUERIES, K = 60_000, 64, 20, 10
GOALS = {"auto": "inverted file", "graph": "HNSW", "single": "quickest for one query"}
LEAST = 0.9  # recall@10 of twenty queries, of a structure that is set to 0.97
BLOCK = 65_536  # bytes that are zeroed at a time

SETTLE = """
import sys
from clr_search.index import Index
with Index.open(sys.argv[1], writable=True) as index:
    graph = sys.argv[2] == "graph"
    index.aim(graph=graph, serve="auto" if graph else sys.argv[2])
    index.settle(retune=True)
"""


class Heard(Silent):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        """Keep one."""
        self.messages.append(text)


def recall(index: Index, queries: Vectors, truth: NDArray[np.int64]) -> float:
    """Recall@10 of the collection; ends the run if it answers with what is no item of it."""
    found = index.search_vectors(queries, K).ids
    if found.min() < 1 or found.max() > ITEMS:
        raise SystemExit("a search has answered with what is no item")
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found - 1, strict=True)]))


def settle(collection: Path, goal: str, kill_after: float | None) -> bool:
    """Settle in a process of its own; True if it ended by itself."""
    return ended(["-c", SETTLE, str(collection), goal], kill_after)


def kills(
    collection: Path, goal: str, count: int, queries: Vectors, truth: NDArray[np.int64]
) -> tuple[str, int, float]:
    """Kill so many builders; the structure in the end, those published, and the least recall."""
    chance, least, done = random.Random(0), 1.0, 0
    began = time.perf_counter()
    settle(collection, goal, None)
    usual = time.perf_counter() - began
    for _ in range(count):
        done += settle(collection, goal, chance.uniform(0.05, 1.0) * usual)
        with Index.open(collection) as index:
            least = min(least, recall(index, queries, truth))
    settle(collection, goal, None)
    with Index.open(collection) as index:
        return index.info().structure, done, min(least, recall(index, queries, truth))


def harm(data: bytearray, chance: random.Random) -> bool:
    """Flip a byte, or zero a block; whether anything has changed."""
    at = chance.randrange(len(data))
    if chance.random() < 0.5:
        data[at] ^= chance.randrange(1, 256)
        return True
    block = bytes(data[at : at + BLOCK])
    data[at : at + BLOCK] = bytes(len(block))
    return any(block)


def harms(
    collection: Path, count: int, queries: Vectors, truth: NDArray[np.int64]
) -> tuple[int, int]:
    """Harm so many spots, one at a time; how many were noticed, and how many answers were wrong."""
    chance, noticed, wrong = random.Random(1), 0, 0
    files = sorted(path for path in (collection / "ann").iterdir())
    for number in range(count):
        path = files[number % len(files)]
        whole = path.read_bytes()
        data = bytearray(whole)
        while not harm(data, chance):
            pass
        path.write_bytes(data)
        with Index.open(collection, reporter=(heard := Heard())) as index:
            wrong += recall(index, queries, truth) < 1
        noticed += any("Searching exactly" in message for message in heard.messages)
        if number < count - 1:
            path.write_bytes(whole)
    with Index.open(collection, writable=True) as index:  # which mends the last
        recall(index, queries, truth)
    with Index.open(collection, reporter=(heard := Heard())) as index:
        if recall(index, queries, truth) < LEAST or heard.messages:
            raise SystemExit("a writer has not mended what was harmed")
    return noticed, wrong


def main() -> None:
    """Kill, harm, and print a table; status 1 where anything was lost or wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="of all kinds together")
    parser.add_argument("--spots", type=int, default=1000, help="of all kinds together")
    given = parser.parse_args()
    rows = clustered(ITEMS + QUERIES, DIMENSION, clusters=3000)
    base = rows[:ITEMS].astype(np.float16).astype(np.float32)
    base /= np.linalg.norm(base, axis=1, keepdims=True)
    queries = rows[ITEMS:]
    truth = nearest(base, queries)
    print(f"{machine()}\n\n{ITEMS:,} vectors of length {DIMENSION}, {QUERIES} queries.", end="\n\n")
    if not available():
        print("rabitqlib is not installed: --serve single is an inverted file or HNSW.\n")
    print(
        "| goal | structure | killed | published before it | least recall@10 | spots harmed "
        "| noticed | wrong answers |\n|---|" + "---|" * 7
    )
    failed = False
    with tempfile.TemporaryDirectory() as name:
        encoder = write_tiny_encoder(Path(name) / "encoder.onnx", dimension=DIMENSION)
        for goal, told in GOALS.items():
            collection = Path(name) / f"{goal}.clr"
            write_vectors(collection, base, encoder, [f"{at:05d}.jpg" for at in range(ITEMS)])
            shared = given.kills // len(GOALS) + (goal == "auto") * (given.kills % len(GOALS))
            structure, done, least = kills(collection, goal, shared, queries, truth)
            spots = given.spots // len(GOALS) + (goal == "auto") * (given.spots % len(GOALS))
            noticed, wrong = harms(collection, spots, queries, truth)
            print(
                f"| {told} | {structure} | {shared - done} | {done} | {least:.3f} | {spots} "
                f"| {noticed} | {wrong} |",
                flush=True,
            )
            failed |= least < LEAST or noticed < spots or wrong > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
