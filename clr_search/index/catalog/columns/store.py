"""The tables ``exif``, ``columns`` and ``cells``; a catalogue of an older release has none of them.

Every call belongs inside `Catalog.reading` or `Catalog.writing`.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clr_search.errors import UsageError, shortened
from clr_search.images.metadata.exif import Exif
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import absolute
from clr_search.index.catalog.sqlite.database import plain, plain_path
from clr_search.index.catalog.sqlite.schema import WITH_COLUMNS

KINDS = {"integer": int, "real": float, "text": str, "date": str}
"""Kinds of columns, and the Python type of their values; dates are text, YYYY-MM-DDTHH:MM:SS."""

_LISTED = 40  # names of columns that a message lists

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


OF_ITEMS = {
    "path": ("text", "CAST(path AS TEXT)"),
    "label": ("text", "label"),
    "width": ("integer", "width"),
    "height": ("integer", "height"),
    "bytes": ("integer", "size"),
}
"""Kind of the columns that every item has, and their SQL."""

EXIF = {"taken": "date", "camera": "text", "latitude": "real", "longitude": "real"}
"""Columns that are read from the EXIF of files, with their kinds."""

EVERYWHERE = frozenset({*OF_ITEMS, *EXIF})
"""Names of the columns of every collection, which no column of one's own may have."""


def are_there(catalog: Catalog) -> bool:
    """Return whether the catalogue has these tables; the next change of an older one makes them."""
    return catalog.database.schema_version() >= WITH_COLUMNS


def given_columns(catalog: Catalog) -> dict[str, tuple[int, str]]:
    """Return number and kind of the columns that were given, by their names."""
    if not are_there(catalog):
        return {}
    rows = catalog.database.rows("SELECT id, name, kind FROM columns ORDER BY id")
    return {str(name): (int(number), str(kind)) for number, name, kind in rows if kind in KINDS}


def kinds(catalog: Catalog) -> dict[str, str]:
    """Return the kind of each column that conditions may name, and results may have."""
    known = {name: kind for name, (kind, _) in OF_ITEMS.items()} | EXIF
    return known | {name: kind for name, (_, kind) in given_columns(catalog).items()}


def spelt(name: str, known: Iterable[str]) -> str:
    """Return the name of a column as the collection has it; capitals need not be those.

    Raises
    ------
    UsageError
        If there is no such column.

    Examples
    --------
    >>> spelt("Rating", ["width", "rating"])
    'rating'
    """
    names = list(known)
    if name in names:
        return name
    for one in names:
        if one.casefold() == name.casefold():
            return one
    raise UsageError(
        f"There is no column {shortened(name)}.", f"There are: {', '.join(names[:_LISTED])}."
    )


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


def drop(catalog: Catalog, name: str) -> None:
    """Remove a column of one's own with all its values."""
    catalog.database.rows(
        "DELETE FROM cells WHERE column_id IN (SELECT id FROM columns WHERE name = ?)", name
    )
    catalog.database.rows("DELETE FROM columns WHERE name = ?", name)


def values(catalog: Catalog, ids: Sequence[int], name: str) -> dict[int, Value]:
    """Return the values of a column that these items have, by id; none for an unknown column."""
    listed = json.dumps([int(number) for number in ids])
    within = "IN (SELECT value FROM json_each(?))"
    if name in OF_ITEMS:
        sql = "path" if name == "path" else OF_ITEMS[name][1]  # its bytes need be no text
        query = f"SELECT id, {sql} FROM items WHERE {sql} IS NOT NULL AND id {within}"  # noqa: S608
        of_text = {"path": plain_path, "label": plain}.get(name, _plain_value)
        return {item: of_text(value) for item, value in catalog.database.rows(query, listed)}
    if not are_there(catalog):
        return {}
    if name in EXIF:
        query = f"SELECT item, {name} FROM exif WHERE {name} IS NOT NULL AND item {within}"  # noqa: S608
        rows = catalog.database.rows(query, listed)
        return {item: _plain_value(value) for item, value in rows}
    number, _ = given_columns(catalog).get(name, (-1, ""))
    query = f"SELECT item, value FROM cells WHERE column_id = ? AND item {within}"  # noqa: S608
    rows = catalog.database.rows(query, number, listed)
    return {item: _plain_value(value) for item, value in rows}


def _plain_value(value: object) -> Value:
    """Return a stored value; raise as `plain` for what no column can have, as of a stranger."""
    if isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise sqlite3.DatabaseError(f"a value is {value!r}"[:100])


def rows_of(
    catalog: Catalog, ids: Sequence[int], names: Sequence[str]
) -> dict[int, dict[str, Value | None]]:
    """Return the values that items have in some columns, by id; None where there is none.

    Raises
    ------
    UsageError
        If there is no column of such a name.
    """
    if not names:
        return {}
    known = kinds(catalog)
    spelled = list(dict.fromkeys(spelt(name, known) for name in names))
    found = {name: values(catalog, ids, name) for name in spelled}
    return {number: {name: found[name].get(number) for name in spelled} for number in ids}
