"""Saving what can be read of a damaged catalogue.

SQLite notices a damaged page when it reads it, and reads all the others. So items are read one
stretch of ids after another, and where that fails one by one; each is believed only if it is whole:
an embedding of the right length with finite values, a SHA-256, a place of its own. What is lost,
the next ``build-index`` embeds again.

The repaired catalogue takes its place in steps, so that a repair can be killed at any instant:

1. it is written whole as ``catalog.repaired.sqlite``;
2. the damaged one is renamed to ``catalog.damaged.sqlite``, with its WAL, and kept, as are those
   of earlier repairs, under numbers;
3. the repaired one is renamed to ``catalog.sqlite``.

Run again, a repair that was cut short after step 1 goes on with step 2.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clr_search.contract.model_file import ModelFile, read_model
from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.write import sha256_file, sync_folder
from clr_search.index import encoder_file, maintenance
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.lock import WriterLock
from clr_search.index.catalog.sqlite.database import FILE_NAME, plain, uri_of
from clr_search.index.catalog.sqlite.schema import VERSION

REPAIRED, DAMAGED = "catalog.repaired.sqlite", "catalog.damaged.sqlite"

_PLACE = ".repair."  # and letters drawn at random: the folder in which a catalogue is written

_ANEW = "Restore it from a backup, or delete the collection and build it anew."

_STRETCH = 256
_FURTHER = 100_000  # ids tried beyond the last readable one, where nothing tells how many there are

_SHA256 = re.compile(r"[0-9a-f]{64}")

_ITEM = "id, root_id, path, size, mtime_ns, sha256, width, height, label, added_at, embedding"
_LAST_ID = "SELECT seq FROM sqlite_sequence WHERE name = 'items'"
_INSERT = f"INSERT INTO items ({_ITEM}, revision) VALUES ({'?, ' * 11}?)"  # noqa: S608  # names of ours


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a repair came to.

    Attributes
    ----------
    kept : int
        Items of the collection now.
    lost : int or None
        Items that could not be read; None where nothing tells how many there were.
    whole : bool
        Whether there was nothing to repair.
    damaged : Path or None
        The damaged catalogue, which is kept.
    """

    kept: int
    lost: int | None
    whole: bool
    damaged: Path | None


def repair(folder: Path) -> Salvage:
    """Check a catalogue, and replace it by what can be read of it where it is damaged.

    Parameters
    ----------
    folder : Path
        The collection; the caller has made sure that it is one.

    Raises
    ------
    UsageError
        If somebody else writes to it, a newer release has written it, or it is no catalogue.
    ClrSearchError
        If nothing can be read, or the encoder inside is not there.
    """
    lock = WriterLock(folder / "lock")
    try:
        for left in folder.glob(f"{_PLACE}*"):  # of a repair that was killed in step 1
            shutil.rmtree(left, ignore_errors=True)
        if not (folder / REPAIRED).exists():
            source = folder / FILE_NAME
            _refuse_foreign(source)
            if is_whole(source):
                return Salvage(_count(source), 0, whole=True, damaged=None)
            _refuse_newer(source)
            lost = _write(folder, source)
        else:
            lost = None  # it was told by the run that was cut short
        _exchange(folder)
        return Salvage(_count(folder / FILE_NAME), lost, whole=False, damaged=folder / DAMAGED)
    finally:
        lock.release()


def refuse_unfinished(folder: Path) -> None:
    """Refuse a collection whose repair has to be finished first.

    Raises
    ------
    UsageError
        If there is one that was cut short.
    """
    if (folder / REPAIRED).is_file():
        raise UsageError(
            f"A repair of {folder} was cut short.", f"Finish it with: clr-search repair {folder}"
        )


def is_whole(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with a file, on reading all of it."""
    try:
        with _opened(path) as connection:
            found = connection.execute("PRAGMA integrity_check(1)").fetchall()
            return bool(found == [("ok",)])
    except sqlite3.DatabaseError:
        return False


def _opened(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{uri_of(path.absolute())}?mode=ro", uri=True))


def _count(path: Path) -> int:
    with _opened(path) as connection:
        return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])


def _refuse_foreign(source: Path) -> None:
    """There is nothing to repair in an empty file, or one of another program."""
    try:
        with _opened(source) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError:
        return  # it is damaged
    if not {"meta", "roots", "items"} <= tables:
        raise UsageError(
            f"{source} is no catalogue of a collection: it is empty, or another program's.", _ANEW
        )


def _refuse_newer(source: Path) -> None:
    """What a newer release keeps in other tables would be lost, and nobody told."""
    with _opened(source) as connection:
        version = _first(connection, "PRAGMA user_version")
    if isinstance(version, int) and version > VERSION:
        raise UsageError(
            f"{source} is damaged, and has schema version {version}; this release knows {VERSION}.",
            "Repair it with a matching release of clr-search.",
        )


def _write(folder: Path, source: Path) -> int | None:
    """Step 1; how many items were lost."""
    _keep_earlier(folder)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PLACE) as name:
        place = Path(name)
        catalog = Catalog(place, writable=True)
        try:
            with _opened(source) as damaged:
                damaged.execute("SELECT * FROM sqlite_master").fetchall()  # or nothing else is
                model = _encoder(folder, _meta(damaged, "encoder_sha256"))
                lost = _copy(damaged, catalog, model)
        except sqlite3.DatabaseError as error:
            raise ClrSearchError(f"Nothing can be read of {source}: {error}.", _ANEW) from error
        finally:
            catalog.database.close()  # folds the WAL into the file, which is synced then
        (place / FILE_NAME).replace(folder / REPAIRED)
    sync_folder(folder)
    return lost


def _encoder(folder: Path, pinned: object) -> ModelFile:
    """The encoder of the embeddings; where the catalogue cannot say which, the one there is."""
    for name in (encoder_file.FILE_NAME, encoder_file.NEXT_NAME):
        path = folder / name
        if path.is_file() and pinned in (None, sha256_file(path)):
            return read_model(path)
    raise ClrSearchError(
        f"{folder / encoder_file.FILE_NAME} is missing, or not the encoder that the embeddings "
        "are of.",
        "Copy that encoder there first, or delete the collection and build it anew.",
    )


def _copy(damaged: sqlite3.Connection, catalog: Catalog, model: ModelFile) -> int | None:
    """Bring over what can be read; how many items cannot."""
    dimension = model.card.embedding_dim
    roots = {number: (path, given) for number, path, given in _rows(damaged, "roots")}
    seen: set[tuple[object, object]] = set()
    kept = 0
    with catalog.writing() as revision:
        before = _meta(damaged, "revision")
        if isinstance(before, int):  # so that it never goes back
            revision = max(revision, before + 1)
            catalog.set_meta("revision", revision)
        _carry_over(damaged, catalog)
        catalog.set_meta("encoder_sha256", model.sha256)
        catalog.set_meta("encoder_name", model.card.name)
        catalog.set_meta("dimension", dimension)
        for number, (path, given) in roots.items():
            catalog.database.rows("INSERT INTO roots VALUES (?, ?, ?)", number, path, given)
        for row in _items(damaged):
            _, root, path, *_ = row
            if root not in roots or (root, path) in seen or not _sound(row, dimension):
                continue
            seen.add((root, path))
            catalog.database.rows(_INSERT, *row, revision)
            kept += 1
        for path, size, mtime_ns, reason in _rows(damaged, "skipped"):
            catalog.database.rows(
                "INSERT OR REPLACE INTO skipped VALUES (?, ?, ?, ?)", path, size, mtime_ns, reason
            )
        _continue_ids(damaged, catalog)
    there = _first(damaged, "SELECT count(*) FROM items INDEXED BY items_by_revision")
    return max(0, there - kept) if isinstance(there, int) else None


def _carry_over(damaged: sqlite3.Connection, catalog: Catalog) -> None:
    """What the search structure has to reach, and the number of the last one."""
    goal, last = _meta(damaged, "goal"), _meta(damaged, "last_generation")
    if maintenance.is_goal(goal):
        catalog.set_meta("goal", str(goal))
    if isinstance(last, int):
        catalog.set_meta("last_generation", last)


def _continue_ids(damaged: sqlite3.Connection, catalog: Catalog) -> None:
    """Go on counting ids where the damaged catalogue stood: none is used twice."""
    found = [
        _first(damaged, _LAST_ID),
        _first(damaged, "SELECT max(id) FROM items INDEXED BY items_by_revision"),
        catalog.database.scalar("SELECT max(id) FROM items"),
    ]
    last = max((number for number in found if isinstance(number, int)), default=0)
    catalog.database.rows("DELETE FROM sqlite_sequence WHERE name = 'items'")
    catalog.database.rows("INSERT INTO sqlite_sequence VALUES ('items', ?)", last)


def _sound(row: tuple[object, ...], dimension: int) -> bool:
    """Whether an item is whole."""
    _, _, path, size, mtime_ns, sha256, width, height, _, added_at, embedding = row
    if not isinstance(embedding, bytes) or len(embedding) != 2 * dimension:
        return False
    numbers = (size, mtime_ns, width, height)
    return (
        isinstance(path, str | bytes)
        and "\0" not in plain(path)
        and all(isinstance(number, int) for number in numbers)
        and isinstance(sha256, str)
        and _SHA256.fullmatch(sha256) is not None
        and isinstance(added_at, str)
        and bool(np.isfinite(np.frombuffer(embedding, "<f2")).all())
    )


def _meta(damaged: sqlite3.Connection, key: str) -> object:
    return _first(damaged, f"SELECT value FROM meta WHERE key = '{key}'")  # noqa: S608  # ours


def _first(damaged: sqlite3.Connection, query: str) -> object:
    try:
        row = damaged.execute(query).fetchone()
    except sqlite3.DatabaseError:
        return None
    return None if row is None else row[0]


def _rows(damaged: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """Rows of a small table, as far as they can be read."""
    try:
        yield from damaged.execute(f"SELECT * FROM {table}")  # noqa: S608  # a name of ours
    except sqlite3.DatabaseError:
        return


def _items(damaged: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """Items that can be read, by id."""
    query = f"SELECT {_ITEM} FROM items WHERE id > ? ORDER BY id LIMIT {_STRETCH}"  # noqa: S608
    one = f"SELECT {_ITEM} FROM items WHERE id = ?"  # noqa: S608
    most = _first(damaged, _LAST_ID)
    last = 0
    while True:
        try:
            stretch = damaged.execute(query, (last,)).fetchall()
            if not stretch:
                return
            yield from stretch
            last = stretch[-1][0]
        except sqlite3.DatabaseError:
            end = last + _STRETCH
            for number in range(last + 1, end + 1):
                try:
                    yield from damaged.execute(one, (number,))
                except sqlite3.DatabaseError:
                    continue
            last = end
            if last > (most if isinstance(most, int) else _FURTHER):
                return


def _keep_earlier(folder: Path) -> None:
    """Give the damaged catalogue of an earlier repair a number."""
    if not (folder / DAMAGED).exists():
        return
    number = 1
    while (folder / f"{DAMAGED}.{number}").exists():
        number += 1
    (folder / DAMAGED).replace(folder / f"{DAMAGED}.{number}")


def _exchange(folder: Path) -> None:
    """Steps 2 and 3."""
    current = folder / FILE_NAME
    # The WAL goes first: beside another file it would be taken for that one's.
    wal = folder / f"{FILE_NAME}-wal"
    if wal.exists():
        wal.replace(folder / f"{DAMAGED}-wal")
    (folder / f"{FILE_NAME}-shm").unlink(missing_ok=True)
    if current.exists():
        current.replace(folder / DAMAGED)
    sync_folder(folder)
    (folder / REPAIRED).replace(current)
    sync_folder(folder)
