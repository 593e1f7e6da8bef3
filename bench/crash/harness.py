"""Kill writers, open what they leave, and hold it against what an uninterrupted one went through.

Every state on disk must be one that the uninterrupted operation went through, no earlier than the
last commit the dead writer had acknowledged, and no later than the one after. Then the collection
must serve, and the operation, run again, must end as if nothing had happened.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.crash.operations import EXACT_ITEMS, PHOTOS, after_start, before_start
from bench.crash.writer import CONTENT, STATE, digest
from bench.made import write_noise, write_tiny_encoder
from clr_search.errors import UsageError
from clr_search.index import Index
from clr_search.index.ann import structures

COARSE = ("PQfs", "RaBitQ")
"""The kinds of search structures whose codes are so coarse that a search of usual effort may miss
an item, killed or not. In these, each item must find itself with everything visited."""


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
    coarse : bool
        Whether its search structure is one of `COARSE`.
    """

    operation: str
    start: Path | None
    job: dict[str, Any]
    states: list[str]
    content: str
    failpoints: list[str]
    files: set[str]
    coarse: bool = False


def prepare(operation: str, folder: Path, writers: Writers, kind: str | None = None) -> Scenario:
    """Make the pictures and the collection that an operation begins with, and watch it once.

    With a `kind`, all search structures are of that kind.
    """
    photos = write_noise(folder / PHOTOS, 60)
    (photos / "broken.png").write_bytes(b"no picture")
    start = folder / "start.clr"
    base: dict[str, Any] = {"encoder": str(write_tiny_encoder(folder / "one.onnx")), "kind": kind}
    first = before_start(operation, photos)
    if operation != "build":
        writers.run(base | {"operation": "build", "collection": str(start), "paths": first})
        after_start(operation, photos, start)
    job = base | {"operation": operation, "paths": [str(photos)]}
    if operation in ("remove", "retire"):
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
        kind in COARSE,
    )


def _names(collection: Path) -> set[str]:
    names = {path.name for path in collection.iterdir()}
    return {name for name in names if not name.endswith(("-wal", "-shm"))}


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
    if scenario.operation == "repair" and acknowledged == 0:
        possible.append("cut short")  # between the renames, which the next repair finishes
    assert left in possible, f"neither of the states around commit {acknowledged}"
    if scenario.operation not in ("mend", "repair") or left not in (
        scenario.states[0],
        "cut short",
    ):
        _serves(collection, coarse=scenario.coarse)  # what is damaged is refused until then
    writers.run(job)
    assert digest(collection, CONTENT) == scenario.content, "not the same in the end"
    assert _names(collection) == scenario.files, "something is left over"
    _serves(collection, coarse=scenario.coarse)
    shutil.rmtree(collection)
    return bool(answer["killed"])


def _serves(collection: Path, *, coarse: bool) -> None:
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
                found = index.search_vector(row, len(ids) if coarse else 3).ids
                assert number in found[:3], f"item {number} does not find itself"
                assert not coarse or set(found.tolist()) == set(ids.tolist())
    finally:
        structures.EXACT_ITEMS = before
