"""Copying everything that one catalogue keeps into another, wherever either of them is.

Items are told apart by their absolute paths, so that a copy that was killed goes on when it is made
again. A vector is copied as the bytes that are stored, after these were held against their
checksum. While a copy is under way, the target has a mark; without it, the target is somebody's
collection, and nothing that it keeps is overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index.catalog import facts
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import store
from clr_search.index.catalog.paths import absolute, root_of
from clr_search.index.catalog.remote.protocol import blobs_of, next_number
from clr_search.index.catalog.sqlite.database import plain_path, text
from clr_search.index.catalog.vectors import is_intact
from clr_search.progress import Reporter

_COMMIT = 1000  # items in one transaction; a killed copy loses no more than these
_KEPT = "path size mtime_ns sha256 width height label added_at checksum"
_COLUMNS = ", ".join(_KEPT.split())
_EXIF = "taken, camera, latitude, longitude"
_FACTS = (
    facts.LABELS_GIVEN,
    facts.SELECTION,
    facts.DECODING,
    facts.DECODING_TRIED,
    facts.GOAL,
)
_OWN = (facts.LABELS_GIVEN, facts.SELECTION)  # what a target that is used may have been told
_PLAIN_TABLES = {
    "skipped": "path, size, mtime_ns, reason",
    "notes": "sha256, notes",
    "dismissed": "one, other, dismissed_at",
}

_Known = dict[str, tuple[int, tuple[Any, ...]]]
"""Id and columns of items, by absolute path."""


class Counts(NamedTuple):
    """Numbers of items of a copy that were new, were replaced, or were there already."""

    added: int
    changed: int
    unchanged: int


class _Item(NamedTuple):
    """An item to copy: its place, the columns of `_KEPT`, its embedding, EXIF and cells."""

    root: str
    path: str
    columns: tuple[Any, ...]
    embedding: bytes
    exif: tuple[Any, ...] | None
    cells: tuple[tuple[int, Any], ...]


def copy(source: Catalog, target: Catalog, reporter: Reporter) -> Counts:
    """Copies all of a catalogue into one that is new, or holds a part of it.

    Parameters
    ----------
    source, target : Catalog
        The catalogues; the target is open for writing.
    reporter : Reporter
        The reporter that shows the progress.

    Raises
    ------
    UsageError
        If the encoder of the target is another one, or it has items that the source has not, or
        it is no unfinished copy and keeps something that would be overwritten.
    ClrSearchError
        If a vector of the source is damaged.
    """
    counts = [0, 0, 0]
    with source.reading():
        _refuse_other(source, target)
        with target.reading():
            known = _known(target)
            if known and _fact(target, facts.COPYING) is None:
                _refuse_overwriting(source, target, known)
        columns = _copy_whole(source, target)
        ids = [number for (number,) in source.database.rows(_IN_ORDER)]
        with reporter.task("Copying", len(ids), "images"):
            for start in range(0, len(ids), _COMMIT):
                items = list(_items(source, ids[start : start + _COMMIT]))
                with target.writing() as revision:
                    for item in items:
                        counts[_put(target, item, known, columns, revision)] += 1
                reporter.advance(len(items))
        with target.writing():
            target.drop_empty_roots()
            target.database.rows("DELETE FROM meta WHERE key = ?", facts.COPYING)
    return Counts(*counts)


_IN_ORDER = "SELECT id FROM items ORDER BY added_at, root_id, path"


def _refuse_other(source: Catalog, target: Catalog) -> None:
    """Refuses a target of another encoder, or with items that the source has not."""
    theirs = source.facts()
    with target.reading():
        ours = target.facts()
        foreign = target.known().keys() - source.known().keys()
    if (ours.encoder_sha256, ours.dimension) != (theirs.encoder_sha256, theirs.dimension):
        raise UsageError(
            f"{target.folder} has another encoder than {source.folder}.", "Choose another target."
        )
    if foreign:
        raise UsageError(
            f"{target.folder} holds {len(foreign):,} pictures that {source.folder} does not, such "
            f"as {min(foreign)}.",
            "Choose another target, or one that an unfinished copy of the same has left.",
        )


def _refuse_overwriting(source: Catalog, target: Catalog, ours: _Known) -> None:
    """Refuses a target that is used, if a copy would change its labels, columns or files."""
    theirs = _known(source)
    other = [path for path, (_, kept) in ours.items() if theirs[path][1] != kept]
    values, mine = _values(source), _values(target)
    other += [path for (path, name), value in mine.items() if values.get((path, name)) != value]
    whole = any(_fact(target, key) != _fact(source, key) for key in _OWN)
    if other or whole:
        such = f", such as of {min(other)}" if other else ""
        raise UsageError(
            f"{target.folder} is no unfinished copy of {source.folder}, and keeps other labels, "
            f"columns or files{such}: a copy would overwrite them.",
            "Choose another target.",
        )


def _fact(catalog: Catalog, key: str) -> Any:
    """Returns one fact on the whole; None where it is not set."""
    return catalog.database.scalar("SELECT value FROM meta WHERE key = ?", key)


def _values(catalog: Catalog) -> dict[tuple[str, str], tuple[str, Any]]:
    """Returns kind and value of each cell of the columns that were given, by path and name."""
    if not store.are_there(catalog):
        return {}
    roots = {root.id: root.path for root in catalog.roots()}
    rows = catalog.database.rows(
        "SELECT root_id, path, name, kind, value FROM cells JOIN items ON items.id = cells.item "
        "JOIN columns ON columns.id = cells.column_id"
    )
    return {
        (absolute(root_of(roots, root), plain_path(path)), name): (kind, value)
        for root, path, name, kind, value in rows
    }


def _copy_whole(source: Catalog, target: Catalog) -> dict[int, int]:
    """Copies what is true of the whole; returns the ids of columns in the target by those here."""
    with target.writing():
        target.database.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", facts.COPYING, 1)
        for key in _FACTS:
            value = _fact(source, key)
            if value is not None:
                target.database.rows("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)
        for root in source.roots():
            target.add_root(root.path, given=root.given)
        for table, names in _PLAIN_TABLES.items():
            if not source.database.scalar("SELECT 1 FROM sqlite_master WHERE name = ?", table):
                continue  # a catalogue of an older release
            marks = ", ".join("?" * len(names.split(",")))
            target.database.many(
                f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
                source.database.rows(f"SELECT {names} FROM {table}").fetchall(),  # noqa: S608
            )
        columns: dict[int, int] = {}
        if store.are_there(source):
            for number, name, kind in source.database.rows("SELECT id, name, kind FROM columns"):
                target.database.rows(
                    "INSERT INTO columns (name, kind) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind",
                    name,
                    kind,
                )
                sql = "SELECT id FROM columns WHERE name = ?"
                columns[number] = target.database.integer(sql, name)
    return columns


def _known(catalog: Catalog) -> _Known:
    """Returns id and columns of the items of a catalogue, by absolute path."""
    roots = {root.id: root.path for root in catalog.roots()}
    rows = catalog.database.rows(f"SELECT id, root_id, {_COLUMNS} FROM items")  # noqa: S608
    return {
        absolute(root_of(roots, root), plain_path(columns[0])): (number, tuple(columns))
        for number, root, *columns in rows
    }


def _items(source: Catalog, numbers: Sequence[int]) -> Iterator[_Item]:
    """Yields items with all that belongs to them; raises ClrSearchError for a damaged vector."""
    listed = json.dumps(list(numbers))
    within = "IN (SELECT value FROM json_each(?))"
    rows = source.database.rows(
        f"SELECT id, root_id, embedding, {_COLUMNS} FROM items WHERE id {within} "  # noqa: S608
        "ORDER BY added_at, root_id, path",
        listed,
    ).fetchall()
    absent = {number: columns[-1] for number, _, blob, *columns in rows if not blob}
    blobs = blobs_of(source, absent) if absent and source.remote is not None else {}
    exif: dict[int, tuple[Any, ...]] = {}
    cells: dict[int, list[tuple[int, Any]]] = {}
    if store.are_there(source):
        sql = f"SELECT item, {_EXIF} FROM exif WHERE item {within}"  # noqa: S608
        exif = {item: tuple(rest) for item, *rest in source.database.rows(sql, listed)}
        sql = f"SELECT item, column_id, value FROM cells WHERE item {within}"  # noqa: S608
        for item, column, value in source.database.rows(sql, listed):
            cells.setdefault(item, []).append((column, value))
    roots = {root.id: root.path for root in source.roots()}
    dimension = source.facts().dimension
    for number, root, blob, *columns in rows:
        path, embedding = plain_path(columns[0]), blob or blobs.get(number, b"")
        if not is_intact(embedding, columns[-1], dimension):
            raise ClrSearchError(
                f"The vector of {absolute(root_of(roots, root), path)} is damaged in "
                f"{source.folder}.",
                f"Embed it again: clr-search repair {source.folder}",
            )
        own = tuple(cells.get(number, ()))
        folder = root_of(roots, root)
        yield _Item(folder, path, tuple(columns), embedding, exif.get(number), own)


def _put(
    target: Catalog,
    item: _Item,
    known: _Known,
    columns: dict[int, int],
    revision: int,
) -> int:
    """Writes an item into the target; returns 0 if it is new, 1 if it was replaced, else 2."""
    number, before = known.get(absolute(item.root, item.path), (None, None))
    outcome = 0 if before is None else 2 if before == item.columns else 1
    if number is not None and outcome == 1:
        target.delete([number])
    if outcome < 2:
        root = target.database.integer("SELECT id FROM roots WHERE path = ?", text(item.root))
        marks = ", ".join("?" * (len(item.columns) + 4))
        cursor = target.database.rows(
            f"INSERT INTO items (id, root_id, revision, embedding, {_COLUMNS}) VALUES ({marks})",  # noqa: S608
            number or next_number(target, root, item.path),
            root,
            revision,
            item.embedding,
            *item.columns,
        )
        number = cursor.lastrowid
    if item.exif is not None:
        target.database.rows(
            f"INSERT OR REPLACE INTO exif (item, {_EXIF}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            number,
            *item.exif,
        )
    target.database.many(
        "INSERT OR REPLACE INTO cells (column_id, item, value) VALUES (?, ?, ?)",
        ((columns[column], number, value) for column, value in item.cells if column in columns),
    )
    return outcome
