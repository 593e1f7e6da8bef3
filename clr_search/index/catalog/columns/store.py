"""The tables ``exif``, ``columns`` and ``cells``; a catalogue of an older release has none of them.

Every call belongs inside `Catalog.reading` or `Catalog.writing`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clr_search.images.metadata.exif import Exif
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import absolute
from clr_search.index.catalog.sqlite.database import plain_path
from clr_search.index.catalog.sqlite.schema import WITH_COLUMNS

KINDS = {"integer": int, "real": float, "text": str, "date": str}
"""Kinds of columns, and the Python type of their values; dates are text, YYYY-MM-DDTHH:MM:SS."""

Value = int | float | str
"""A value of a column."""


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """A column of a collection.

    Attributes
    ----------
    name : str
        Its name, as expressions have it.
    kind : str
        ``"integer"``, ``"real"``, ``"text"`` or ``"date"``.
    count : int
        Number of pictures that have a value.
    given : bool
        Whether it was given by a table, and not read from files.
    """

    name: str
    kind: str
    count: int
    given: bool


EXIF = {"taken": "date", "camera": "text", "latitude": "real", "longitude": "real"}
"""Columns that are read from the EXIF of files, with their kinds."""


def are_there(catalog: Catalog) -> bool:
    """Return whether the catalogue has these tables; the next change of an older one makes them."""
    return catalog.database.schema_version() >= WITH_COLUMNS


def given_columns(catalog: Catalog) -> dict[str, tuple[int, str]]:
    """Return number and kind of the columns that were given, by their names."""
    if not are_there(catalog):
        return {}
    rows = catalog.database.rows("SELECT id, name, kind FROM columns ORDER BY id")
    return {str(name): (int(number), str(kind)) for number, name, kind in rows if kind in KINDS}


def described(catalog: Catalog) -> list[ColumnInfo]:
    """Return the columns with the numbers of their values: those of EXIF, then those given."""
    if not are_there(catalog):
        return []
    listed = ", ".join(f"count({name})" for name in EXIF)
    counts = catalog.database.rows(f"SELECT {listed} FROM exif").fetchone()  # noqa: S608  # constants
    columns = [
        ColumnInfo(name, kind, count, given=False)
        for (name, kind), count in zip(EXIF.items(), counts, strict=True)
    ]
    sql = "SELECT count(*) FROM cells WHERE column_id = ?"
    for name, (number, kind) in given_columns(catalog).items():
        columns.append(ColumnInfo(name, kind, catalog.database.integer(sql, number), given=True))
    return columns


def give(catalog: Catalog, name: str, kind: str, values: Mapping[int, Value]) -> None:
    """Store a column of one's own; one of the same name is replaced, other items have no value."""
    catalog.database.rows(
        "DELETE FROM cells WHERE column_id IN (SELECT id FROM columns WHERE name = ?)", name
    )
    catalog.database.rows(
        "INSERT INTO columns (name, kind) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET kind = excluded.kind",
        name,
        kind,
    )
    number = catalog.database.integer("SELECT id FROM columns WHERE name = ?", name)
    rows = ((number, item, value) for item, value in values.items())
    catalog.database.many("INSERT INTO cells VALUES (?, ?, ?)", rows)


def without_exif(catalog: Catalog) -> list[tuple[int, str, int, int]]:
    """Return id, absolute path, size and time of the items whose EXIF has not been read."""
    roots = {root.id: root.path for root in catalog.roots()}
    rows = catalog.database.rows(
        "SELECT id, root_id, path, size, mtime_ns FROM items "
        "WHERE size > 0 AND id NOT IN (SELECT item FROM exif) ORDER BY id"
    )
    return [
        (number, absolute(roots[root], plain_path(path)), size, mtime_ns)
        for number, root, path, size, mtime_ns in rows
        if root in roots
    ]


def put_exif(catalog: Catalog, read: Iterable[tuple[int, Exif]]) -> None:
    """Store what was read of items by their ids."""
    catalog.database.many(
        "INSERT OR REPLACE INTO exif (item, taken, camera, latitude, longitude) "
        "VALUES (?, ?, ?, ?, ?)",
        (
            (
                number,
                None if found.taken is None else found.taken.isoformat(timespec="seconds"),
                found.camera,
                found.latitude,
                found.longitude,
            )
            for number, found in read
        ),
    )


def values(catalog: Catalog, ids: Sequence[int], name: str) -> dict[int, Value]:
    """Return the values of a column that these items have, by id; none for an unknown column."""
    if not are_there(catalog):
        return {}
    listed = json.dumps([int(number) for number in ids])
    if name in EXIF:
        rows = catalog.database.rows(
            f"SELECT item, {name} FROM exif WHERE {name} IS NOT NULL AND item IN "  # noqa: S608  # a constant
            "(SELECT value FROM json_each(?))",
            listed,
        )
        return dict(rows.fetchall())
    number, _ = given_columns(catalog).get(name, (-1, ""))
    rows = catalog.database.rows(
        "SELECT item, value FROM cells WHERE column_id = ? AND item IN "
        "(SELECT value FROM json_each(?))",
        number,
        listed,
    )
    return dict(rows.fetchall())
