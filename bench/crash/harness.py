"""Kill writers, open what they leave, and hold it against what an uninterrupted one went through.

Every state on disk must be one that the uninterrupted operation went through, no earlier than the
last commit the dead writer had acknowledged, and no later than the one after. Then the collection
must serve, and the operation, run again, must end as if nothing had happened.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.crash.writer import CONTENT, STATE, digest
from bench.made import write_noise, write_tiny_encoder
from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.ann import structures
from clr_search.index.catalog.sqlite.database import FILE_NAME

EXACT_ITEMS = 40
"""Collections of more items get a FAISS file here."""

OPERATIONS = ("build", "update", "migrate", "add", "ingest", "remove", "retire", "rebuild")
"""To migrate is an update of a collection of schema version 1. A removal may leave enough items for
a new FAISS file, or so few that it is retired."""


class Writers:
    """A process that forks writers; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.crash.writer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """One writer, from its start to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert not answer["failed"], "a writer failed by itself"
        return answer


@dataclass(frozen=True)
class Scenario:
    """An operation on a collection, and what it goes through when nobody kills it.

    Attributes
    ----------
    operation : str
        One of `OPERATIONS`.
    start : Path or None
        The collection it begins with.
    job : dict
        What the writer is told.
    states : list of str
        Digests of the catalogue: at the start, then after each commit.
    content : str
        Digest of what there is in the end.
    failpoints : list of str
        Those that are met.
    files : set of str
        Names in the collection in the end.
    """

    operation: str
    start: Path | None
    job: dict[str, Any]
    states: list[str]
    content: str
    failpoints: list[str]
    files: set[str]


def prepare(operation: str, folder: Path, writers: Writers) -> Scenario:
    """Make the pictures and the collection that an operation begins with, and watch it once."""
    photos = write_noise(folder / "photos", 60)
    (photos / "broken.png").write_bytes(b"no picture")
    start = folder / "start.clr"
    encoder = write_tiny_encoder(folder / "one.onnx")
    base: dict[str, Any] = {"exact_items": EXACT_ITEMS, "encoder": str(encoder)}
    first = [str(photos)]
    if operation == "add":
        first = [str(photos / f"{number:03d}") for number in range(5)]
    if operation != "build":
        writers.run(base | {"operation": "build", "collection": str(start), "paths": first})
    job = base | {"operation": operation, "paths": [str(photos)]}
    if operation in ("update", "migrate"):
        _change(photos)
    if operation == "migrate":
        _make_old(start)
    elif operation in ("remove", "retire"):
        folders = (1,) if operation == "remove" else (1, 4)
        job["paths"] = [str(photos / f"{number:03d}") for number in folders]
    elif operation == "rebuild":
        job["encoder"] = str(write_tiny_encoder(folder / "other.onnx", seed=1))
    whole = folder / "whole.clr"
    if operation != "build":
        shutil.copytree(start, whole)
    states = [digest(whole, STATE)]
    done = writers.run(job | {"collection": str(whole)})
    return Scenario(
        operation,
        None if operation == "build" else start,
        job,
        states + done["states"],
        digest(whole, CONTENT),
        done["met"],
        _names(whole),
    )


def _change(photos: Path) -> None:
    """Some pictures new, some changed, some gone, one moved."""
    write_noise(photos, 12, seed=1, first=60)
    write_noise(photos, 5, seed=2, first=10)
    for number in range(30, 36):
        (photos / "003" / f"{number:05d}.png").unlink()
    (photos / "004" / "00040.png").rename(photos / "moved.png")


def _make_old(collection: Path) -> None:
    """Back to schema version 1."""
    connection = sqlite3.connect(collection / FILE_NAME)
    connection.executescript(
        "DROP INDEX items_by_file; ALTER TABLE items DROP COLUMN checksum; "
        "ALTER TABLE staged DROP COLUMN checksum; DROP TABLE exif; DROP TABLE columns; "
        "DROP TABLE cells; DROP TABLE dismissed; DROP TABLE notes; "
        "DELETE FROM meta WHERE key IN ('home', 'looked_at'); PRAGMA user_version = 1"
    )
    connection.close()


def _names(collection: Path) -> set[str]:
    names = {path.name for path in collection.iterdir()}
    return names - {"catalog.sqlite-wal", "catalog.sqlite-shm"}


def crash(
    scenario: Scenario,
    folder: Path,
    writers: Writers,
    *,
    deadly: int | None = None,
    power: bool = False,
    seconds: float | None = None,
) -> bool:
    """Kill the operation once and check all that is promised; whether it was killed at all."""
    collection = folder / "crashed.clr"
    shutil.rmtree(collection, ignore_errors=True)
    if scenario.start is not None:
        shutil.copytree(scenario.start, collection)
    job = scenario.job | {"collection": str(collection)}
    how: dict[str, Any] = {"deadly": deadly, "power": power}
    answer = writers.run(job | how | ({} if seconds is None else {"seconds": seconds}))
    acknowledged = len(answer["states"])
    left = digest(collection, STATE)
    possible = scenario.states[acknowledged : acknowledged + 2]
    assert left in possible, f"neither of the states around commit {acknowledged}"
    _serves(collection)
    writers.run(job)
    assert digest(collection, CONTENT) == scenario.content, "not the same in the end"
    assert _names(collection) == scenario.files, "something is left over"
    _serves(collection)
    shutil.rmtree(collection)
    return bool(answer["killed"])


def _serves(collection: Path) -> None:
    """Every item finds itself, by the structure that is there; or the making was cut short."""
    before, structures.EXACT_ITEMS = structures.EXACT_ITEMS, EXACT_ITEMS
    try:
        try:
            opened = Index.open(collection)
        except UsageError as error:
            words = ("cut short", "no collection", "is not a collection")
            if not any(word in error.what for word in words):
                raise
            return
        with opened as index, index.snapshot():
            ids, rows = index.vectors()
            assert len(set(ids.tolist())) == len(ids) == len(index)
            for number, row in zip(ids.tolist(), rows, strict=True):
                found = index.search_vector(row, 3)
                assert number in found.ids, f"item {number} does not find itself"
    finally:
        structures.EXACT_ITEMS = before
