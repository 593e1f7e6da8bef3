"""Forks writers that die where they are told to, since to start Python anew takes seconds.

Reads one job a line from the standard input, as JSON, and answers with one line: what the writer
acknowledged before it died, and whether it did.

    python -m bench.crash.writer
"""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import sqlite3
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import faiss  # noqa: F401  # once, for all forks
import onnxruntime  # noqa: F401

import clr_search.index.sync.rebuild
import clr_search.index.sync.update  # noqa: F401
from bench.crash.failpoints import Failpoints
from bench.crash.operations import EXACT_ITEMS, only_kind, operate
from clr_search.index import maintenance
from clr_search.index.ann import structures
from clr_search.index.catalog.sqlite.database import FILE_NAME, Database
from clr_search.index.contents import REPAIRED
from clr_search.index.sync import ingest
from clr_search.serve import pipeline, sessions  # noqa: F401

STATE = (
    "PRAGMA user_version",
    "SELECT name FROM sqlite_master ORDER BY name",
    "SELECT key, value FROM meta WHERE key IN ('revision', 'encoder_sha256', 'dimension')",
    "SELECT id, path, given FROM roots ORDER BY id",
    "SELECT id, root_id, path, label, sha256, revision, embedding FROM items ORDER BY id",
    "SELECT path, reason FROM skipped ORDER BY path",
    "SELECT id, sha256, embedding FROM staged ORDER BY id",
    "SELECT json_extract(value, '$.number') FROM meta WHERE key = 'ann'",
    "SELECT value LIKE '%start.clr' FROM meta WHERE key = 'home'",
    "SELECT count(*) FROM meta WHERE key = 'looked_at'",
)
VERSION = 5
"""The schema version of this release, which all catalogues have that are not to be migrated."""

BESIDE = (
    "SELECT * FROM exif ORDER BY item",
    "SELECT name, kind FROM columns ORDER BY name",
    "SELECT name, item, value FROM cells JOIN columns ON id = column_id ORDER BY name, item",
    "SELECT one, other FROM dismissed ORDER BY one, other",
)
"""What that version holds beside the items."""

CONTENT = (
    "SELECT value FROM meta WHERE key = 'encoder_sha256'",
    "SELECT roots.path, items.path, label, sha256, embedding FROM items "
    "JOIN roots ON roots.id = root_id ORDER BY roots.path, items.path",
    "SELECT path, reason FROM skipped ORDER BY path",
)


def digest(folder: Path, queries: tuple[str, ...]) -> str:
    """Of what the catalogue holds, past all our code.

    It is "nothing" where there is none yet, "cut short" within a repair, and "damaged" where SQLite
    finds damage.
    """
    if not (folder / FILE_NAME).exists():
        return "cut short" if (folder / REPAIRED).exists() else "nothing"
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return "nothing"
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return "damaged"
        if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            queries = (*queries, *(BESIDE if queries == STATE else BESIDE[1:]))
        found = [connection.execute(query).fetchall() for query in queries]
    except sqlite3.DatabaseError:
        return "damaged"
    finally:
        connection.close()
    return hashlib.sha256(repr(found).encode("utf-8", "surrogateescape")).hexdigest()


def write(job: dict[str, Any], out: int) -> None:
    """In a fork: do it, acknowledge commits on `out`, and at the end tell the failpoints met."""
    structures.EXACT_ITEMS, maintenance.MOST_BESIDE = EXACT_ITEMS, 0
    ingest._COMMIT = 7
    collection = Path(job["collection"])

    def acknowledge() -> None:
        _say(out, "state", digest(collection, STATE))

    def committed(database: Database) -> None:
        if database.folder.path == collection:  # a repair also writes a catalogue beside it
            acknowledge()

    points = Failpoints(job.get("deadly"), power=bool(job.get("power")), acknowledge=committed)
    points.install()
    with only_kind(job["kind"]):
        operate(job, acknowledge)
    _say(out, "met", json.dumps(points.met))


def _say(out: int, kind: str, text: str) -> None:
    os.write(out, f"{kind} {text}\n".encode())


def fork(job: dict[str, Any]) -> dict[str, Any]:
    """Run one writer to its end, or for so many seconds."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write(job, writing)
            os._exit(0)
        except BaseException:  # noqa: BLE001  # a fork must never return
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    deadline = time.monotonic() + job.get("seconds", 300)
    said = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            os.kill(child, signal.SIGKILL)
            left = 60
        if select.select([reading], [], [], left)[0]:
            part = os.read(reading, 65536)
            if not part:
                break
            said += part
    os.close(reading)
    _, status = os.waitpid(child, 0)
    lines = [line.split(" ", 1) for line in said.decode().splitlines()]
    met = [json.loads(text) for kind, text in lines if kind == "met"]
    return {
        "killed": os.WIFSIGNALED(status),
        "failed": os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0,
        "states": [text for kind, text in lines if kind == "state"],
        "met": met[0] if met else [],
    }


def main() -> None:
    """Serve jobs until the standard input ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
