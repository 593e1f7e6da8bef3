"""Client and server of a collection on Milvus, killed with -9 at random instants.

    python -m bench.milvus_kill [--kills 20] [--seed 0]

A program builds a collection of noise pictures on a server of its own, and then brings it up to
date after a third of them has changed, moved or gone. In half of the rounds the program is killed
and run again, in the other half the server, which is started again while the program waits. After
each kill all that the program has said to be committed must be there, and in the end the same
paths, labels and vectors as in a folder where nothing was killed, each once.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import machine
from bench.made import write_noise, write_tiny_encoder
from bench.milvus_server import Server
from clr_search.index import Index
from clr_search.index.catalog.milvus.address import Address
from clr_search.index.catalog.milvus.connection import Connection

WRITER = """
import sys
from clr_search.index import Index
from clr_search.progress import Silent
class Telling(Silent):
    done = 0
    def advance(self, count=1, note=""):
        self.done += count
        print(self.done, flush=True)
collection, encoder, pictures = sys.argv[1:]
print("ready", flush=True)
with Index.create(collection, encoder) as index:
    report = index.update([pictures], batch_size=8, workers=1, reporter=Telling())
    print("done", report.added, report.changed, report.moved, report.removed, flush=True)
"""
"""Brings a collection up to date, and says how much is committed."""


def start(collection: str, encoder: Path, pictures: Path) -> subprocess.Popen[str]:
    """Starts the writer, and returns it when it begins to work."""
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, collection, str(encoder), str(pictures)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None, "it is a pipe"
    if writer.stdout.readline() != "ready\n":
        raise SystemExit(writer.communicate()[1])
    return writer


def finish(writer: subprocess.Popen[str], *again: Any) -> int:
    """Waits for the end of a writer, and runs it again where it says that the server is away.

    Returns how often it had to be run again.
    """
    for times in range(10):
        output, errors = writer.communicate(timeout=600)
        if "done" in output:
            return times
        if "the same command goes on from there" not in errors:
            break
        writer = start(*again)
    raise SystemExit(f"a writer failed by itself: {errors}")


def content(collection: str | Path) -> dict[str, tuple[str | None, str, bytes]]:
    """Label, SHA-256 and vector by path; refuses a path that is there twice."""
    with Index.open(collection) as index:
        held = index.embeddings()
        items = index.items(held.ids.tolist())
    rows = held.vectors.astype(np.float16)
    found = {
        str(item.path): (item.label, item.sha256, row.tobytes())
        for item, row in zip(items, rows, strict=True)
    }
    if len(found) != len(items):
        raise SystemExit("a picture is in the collection twice")
    return found


def rows_there(collection: str) -> int:
    """The number of rows that the server has, past all our code."""
    connection = Connection(Address.read(collection))
    try:
        return connection.count(connection.address.collection, "id >= 0", level="Strong")
    finally:
        connection.close()


def change(pictures: Path, chance: random.Random) -> None:
    """Changes, moves and deletes a third of the pictures, and adds some."""
    files = sorted(pictures.rglob("*.png"))
    new = write_noise(pictures / "new", len(files) // 6, seed=chance.randrange(10**6))
    added = sorted(new.rglob("*.png"))  # some of them are there twice then
    for number, file in enumerate(chance.sample(files, len(files) // 3)):
        if number % 3 == 0:
            file.unlink()
        elif number % 3 == 1:
            file.rename(file.with_name(f"moved-{file.name}"))
        else:
            file.write_bytes(added.pop().read_bytes())


def one_round(
    server: Server, folder: Path, number: int, chance: random.Random, pictures: int
) -> Counter[str]:
    """One build and one update, each with one kill; returns what happened."""
    encoder = write_tiny_encoder(folder / "encoder.onnx")
    images, twin = folder / f"images-{number}", folder / f"twin-{number}.clr"
    write_noise(images, pictures, seed=number)
    collection = server.address(f"killed_{number}")
    happened: Counter[str] = Counter()
    for what in ("build", "update"):
        if what == "update":
            change(images, chance)
        with Index.create(twin, encoder) as index:
            index.update([images])
        writer = start(collection, encoder, images)
        time.sleep(chance.uniform(0, 2.5))
        whom = "client" if number % 2 else "server"
        if writer.poll() is None:
            happened[f"{whom} killed in {what}"] += 1
        if whom == "server":
            server.kill()
            time.sleep(chance.uniform(0, 1))
            server.start()
            happened["run again, as it said"] += finish(writer, collection, encoder, images)
        else:
            writer.kill()
            said = writer.communicate()[0].split("\n")
            counts = [int(line) for line in said if line.strip().isdigit()]
            if what == "build" and counts and len(content(collection)) < max(counts):
                raise SystemExit(f"{max(counts)} were said to be committed, and are not there")
            finish(start(collection, encoder, images), collection, encoder, images)
        if content(collection) != content(twin):
            raise SystemExit(f"round {number}: the collection is not what it is in a folder")
        if rows_there(collection) != len(content(twin)):
            raise SystemExit(f"round {number}: the server has other rows")
    return happened


def main() -> None:
    """Kills, and prints what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of each: client and server")
    parser.add_argument("--pictures", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    happened: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["CLR_SEARCH_CACHE"] = str(folder / "cache")
        server = Server(folder / "server").start()
        try:
            for number in range(arguments.kills):
                happened += one_round(server, folder, number, chance, arguments.pictures)
                print(f"round {number + 1} of {arguments.kills}: right", file=sys.stderr)
        finally:
            server.kill()
    print(f"{arguments.pictures} pictures a build. {machine()}\n")
    print("| what | times |\n|---|---|")
    for what, times in sorted(happened.items()):
        print(f"| {what} | {times} |")
    print("\nNothing that was said to be committed was lost, and nothing is there twice.")


if __name__ == "__main__":
    main()
