"""Selections of items by SQL: those of a query, and those with a date."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import store


def ids_of(catalog: Catalog, sql: str, *values: object) -> NDArray[np.int64]:
    """Returns the ids that a query selects, ascending.

    SQLite gives them as one JSON text, since a Python row for each takes several times as long,
    and NumPy reads it in a quarter of the time that `json` takes.

    Raises
    ------
    sqlite3.DatabaseError
        If an id is no number, as one of a damaged catalogue.
    """
    listed = catalog.database.scalar(f"SELECT json_group_array(id) FROM ({sql})", *values)  # noqa: S608
    text = str(listed)[1:-1]
    try:
        ids = np.fromstring(text, dtype=np.int64, sep=",")
    except ValueError:
        ids = np.empty(0, np.int64)
    if len(ids) != text.count(",") + bool(text):
        raise sqlite3.DatabaseError("an id is no number")
    return np.sort(ids)


def dated(
    catalog: Catalog, moment: datetime, nanoseconds: int | None, comparison: str
) -> NDArray[np.int64]:
    """Returns the ids of items whose date, that of EXIF or else of the file, compares so.

    `nanoseconds` is the same moment as times of files have it.
    """
    files = f"SELECT id FROM items WHERE mtime_ns {comparison} ?"  # noqa: S608  # `>=` or `<`
    if not store.are_there(catalog):
        return ids_of(catalog, files, nanoseconds)
    of_files = ids_of(catalog, files, nanoseconds)
    with_date = ids_of(catalog, "SELECT item AS id FROM exif WHERE taken IS NOT NULL")
    taken = f"SELECT item AS id FROM exif WHERE taken {comparison} ?"  # noqa: S608
    local = moment if moment.tzinfo is None else _local(moment)
    matching = ids_of(catalog, taken, local.isoformat(timespec="seconds"))
    return np.union1d(np.setdiff1d(of_files, with_date, assume_unique=True), matching)


def _local(moment: datetime) -> datetime:
    """Returns a time as a clock of this machine shows it, without a zone."""
    try:
        return moment.astimezone().replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):  # so far away that the zone is negligible
        return moment.replace(tzinfo=None)
