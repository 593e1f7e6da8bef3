"""What the checksums of stored vectors cost: writing, reading, a migration.

    python -m bench.checksums --count 100000 --dimension 512

The same work is done with the CRC-32 and with a checksum that is always 0, in turns, `--times`
rounds, of which every other one begins without; the medians are told, of the time of the processor,
which what else the machine does changes least. Building a search structure reads the vectors once,
and is not timed further: which structure is chosen depends on timings itself. The migration is that
of a catalogue of schema version 2.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import machine
from bench.made import clustered, write_tiny_encoder
from clr_search.index import Index
from clr_search.index.catalog import embeddings, records
from clr_search.index.catalog.vectors import checksum_of
from clr_search.index.sync.mend import mend
from clr_search.progress import Silent

READINGS = 5
"""How often the vectors are read for a search structure in each round."""


@contextmanager
def checksums(*, on: bool) -> Iterator[None]:
    """Computes checksums as ever, or none."""
    function = checksum_of if on else lambda blob: 0
    records.checksum_of = embeddings.checksum_of = function  # type: ignore[attr-defined]
    try:
        yield
    finally:
        records.checksum_of = embeddings.checksum_of = checksum_of  # type: ignore[attr-defined]


def work(folder: Path, encoder: Path, count: int, dimension: int) -> dict[str, float]:
    """Does the work once, and returns the seconds of each part."""
    rows = clustered(count, dimension)
    paths = [f"{number % 100:02d}/{number:07d}.png" for number in range(count)]
    seconds: dict[str, float] = {}

    def lap(what: str, began: float) -> None:
        seconds[what] = time.process_time() - began

    with Index.create(folder / "x.clr", encoder) as index:
        began = time.process_time()
        index.add_vectors(rows, paths, root="/elsewhere", settle=False)
        lap("adding vectors", began)
        began = time.process_time()
        index.vectors()
        lap("reading all vectors", began)
        laps = [read_for_a_structure(index, dimension) for _ in range(READINGS)]
        seconds["reading them for a search structure"] = statistics.median(laps)
    return seconds


def read_for_a_structure(index: Index, dimension: int) -> float:
    """Reads all vectors as the building of a search structure does, and returns the seconds."""
    began = time.process_time()
    with index._catalog.reading():
        for _ in embeddings.chunks(index._catalog, dimension):
            pass
    return time.process_time() - began


def migration(collection: Path) -> dict[str, float]:
    """Seconds of the migration from version 2, and of a check by ``repair``."""
    connection = sqlite3.connect(collection / "catalog.sqlite")
    connection.executescript(
        "ALTER TABLE items DROP COLUMN checksum; ALTER TABLE staged DROP COLUMN checksum; "
        "DROP TABLE exif; DROP TABLE columns; DROP TABLE cells; DROP TABLE dismissed; "
        "DROP TABLE notes; "
        "PRAGMA user_version = 2"
    )
    connection.close()
    began = time.process_time()
    Index.open(collection, writable=True, reporter=Silent()).close()
    migrated = time.process_time()
    mend(collection, Silent())
    return {"migrating": migrated - began, "checking all": time.process_time() - migrated}


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    taken: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as name:
        for turn in range(given.times):
            for on in (False, True) if turn % 2 == 0 else (True, False):
                folder = Path(name) / f"{turn}-{on}"
                folder.mkdir()
                encoder = write_tiny_encoder(folder / "e.onnx", dimension=given.dimension)
                with checksums(on=on):
                    taken[on].append(work(folder, encoder, given.count, given.dimension))
                if on:
                    last = folder / "x.clr"
                if turn < given.times - 1 or not on:
                    (folder / "x.clr" / "catalog.sqlite").unlink()
        once = migration(last)
    print(
        f"{machine()}\n\n{given.count:,} vectors of length {given.dimension}, processor seconds\n"
    )
    print("| | without | with |\n|---|---|---|")
    for what in taken[True][0]:
        without, with_ = (statistics.median(t[what] for t in taken[on]) for on in (False, True))
        print(f"| {what} | {without:.2f} | {with_:.2f} |")
    for what, seconds in once.items():
        print(f"| {what} | | {seconds:.2f} |")


if __name__ == "__main__":
    main()
