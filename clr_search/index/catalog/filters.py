"""`Filter` restricts a search to some pictures, by folder, label, path, time, size or id."""

from __future__ import annotations

import difflib
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError, shortened
from clr_search.files.names import composed
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import selecting
from clr_search.index.catalog.columns.selecting import ids_of
from clr_search.index.catalog.paths import below, inside
from clr_search.index.catalog.records import countable
from clr_search.index.catalog.sqlite.database import plain, text

MOST_BYTES = 4096
"""Largest length of a text in a filter, in bytes of UTF-8: Linux has no longer paths."""

_NAMES_READ = 20_000  # Items that are read to suggest similar names.

_SUGGESTED = (
    1000  # Names that are compared to find similar ones, none longer than `_NAME` characters.
)

_NAME = 100

_NONE = np.empty(0, dtype=np.int64)

# Most paths are ASCII, which has one form only: a function of Python for each would take seconds.
_ASCII_PATH = "(typeof(path) = 'text' AND length(path) = length(CAST(path AS BLOB)))"
_COMPOSED_PATH = f"CASE WHEN {_ASCII_PATH} THEN path ELSE composed(path) END"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The conditions on a picture, all of which it has to meet; a filter without any is false.

    Attributes
    ----------
    under : str, optional
        A folder: absolute, relative to a root, or else relative to the working folder. Whole names
        are compared: ``roses`` does not match ``roses-old``.
    label : str, optional
        The exact label. Names are compared in Unicode's composed form (NFC), here as in `under` and
        `glob`: an "é" is found, however a file system has stored it.
    glob : str, optional
        A pattern with ``*``, ``?`` and ``[…]`` for the path below the root, or for its end:
        ``IMG_*.jpg`` matches in every folder. ``*`` also matches slashes; case counts.
    after, before : datetime, optional
        The picture was taken at or after, or before, this time, by its EXIF; where EXIF has no
        date, the file was changed then. Without a time zone, the time is that of the camera's
        clock, and of the machine.
    min_side, max_side : int, optional
        Limits of the shorter side of the picture in pixels, both included.
    min_bytes, max_bytes : int, optional
        Limits of the size of the file in bytes, both included.
    ids : sequence of int, optional
        Only the items with these ids; ids of no item are ignored. They are kept as a tuple, so
        that filters can be compared, and later changes to a list have no effect.
    where : str, optional
        A condition on columns, such as ``camera = 'X100' AND taken >= '2024-05'``; see
        `columns.language`.
    on_disk : bool
        Whether `under` may be looked up on the disk of this machine, to follow links and to be
        relative to the working folder. A server sets it to False, since its clients name folders:
        `under` is then compared as it is written. It is no condition.

    Raises
    ------
    UsageError
        If `under`, `label`, `glob` or `where` takes more than 4,096 bytes in UTF-8.

    Examples
    --------
    >>> bool(Filter()), bool(Filter(label="rose")), Filter(ids=[3, 4]).ids
    (False, True, (3, 4))
    """

    under: str | None = None
    label: str | None = None
    glob: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    min_side: int | None = None
    max_side: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    ids: Sequence[int] | None = None
    where: str | None = None
    on_disk: bool = True

    def __post_init__(self) -> None:
        for name in ("under", "label", "glob", "where"):
            value = getattr(self, name)
            if value is not None and _too_long(value):
                raise UsageError(
                    f"{name} is longer than {MOST_BYTES:,} bytes: {shortened(value)}",
                    "No folder, label or path is so long, and no condition may be.",
                )
        if self.ids is not None:
            object.__setattr__(self, "ids", tuple(int(number) for number in self.ids))

    def __bool__(self) -> bool:
        return bool(self.conditions())

    def conditions(self) -> dict[str, Any]:
        """Returns the conditions that are given, by the names of their fields.

        Examples
        --------
        >>> Filter(label="rose", min_side=200).conditions()
        {'label': 'rose', 'min_side': 200}
        """
        given = {item.name: getattr(self, item.name) for item in fields(self)}
        return {n: value for n, value in given.items() if value is not None and n != "on_disk"}


ALL = Filter()
"""The filter without conditions, which every picture passes."""


def joined(
    where: Filter | Mapping[str, Any] | str, *, under: str | None = None, label: str | None = None
) -> Filter:
    """Returns a filter, a mapping with its fields, or a condition, with folder and label added.

    Raises
    ------
    UsageError
        If two folders or two labels are given, or a key of the mapping is no field of `Filter`.

    Examples
    --------
    >>> where = joined({"min_side": 200}, label="rose")
    >>> where.min_side, where.label
    (200, 'rose')
    """
    if isinstance(where, str):
        where = Filter(where=where)
    if not isinstance(where, Filter):
        names = [field.name for field in fields(Filter) if field.name != "on_disk"]
        for name in where:
            if name not in names:
                raise UsageError(
                    f"{name} is no condition of a filter.", f"There are: {', '.join(names)}."
                )
        where = Filter(**where)
    for name, value in (("under", under), ("label", label)):
        if value is not None and getattr(where, name) not in (None, value):
            raise UsageError(
                f"Two values of {name} are asked for: {shortened(value)}, and another in where."
            )
    return replace(where, under=under or where.under, label=label or where.label)


def allowed(catalog: Catalog, where: Filter = ALL) -> NDArray[np.int64] | None:
    """Returns the ids of the items that pass a filter.

    Parameters
    ----------
    catalog : Catalog
        The catalogue; the caller is inside `reading`.
    where : Filter
        The conditions.

    Returns
    -------
    int64 array, shape (n,), or None
        The ids, ascending; None where the filter has no conditions.

    Raises
    ------
    UsageError
        If no item passes. For a folder or label without items, the error names similar ones.
    """
    if not where:
        return None
    selections = _by_name(catalog, where)
    selections += [
        selecting.dated(catalog, moment, _nanoseconds(moment), comparison)
        for moment, comparison in ((where.after, ">="), (where.before, "<"))
        if moment is not None
    ]
    if where.where is not None:
        from clr_search.index.catalog.columns.compiling import Compiled  # few searches need it

        selections.append(Compiled(catalog, where.where).ids())
    conditions = _conditions(where)
    if conditions:
        sql = " AND ".join(condition for condition, _ in conditions)
        values = [value for _, value in conditions]
        selections.append(ids_of(catalog, f"SELECT id FROM items WHERE {sql}", *values))  # noqa: S608
    ids = selections[0]
    for selection in selections[1:]:
        ids = np.intersect1d(ids, selection, assume_unique=True)
    if not len(ids):
        if where.conditions().keys() <= {"under", "label"}:
            raise UsageError(
                f"No pictures under {shortened(where.under or '')} have the label "
                f"{shortened(where.label or '')}."
            )
        raise UsageError(
            f"No pictures of {catalog.folder} pass the filter.", "Leave out one of its conditions."
        )
    return ids


class Passing:
    """A cache of the last result of `allowed`, as long as filter and revision stay the same."""

    def __init__(self) -> None:
        self._key: tuple[Path, int, Filter] | None = None
        self._ids: NDArray[np.int64] | None = None

    def ids(self, catalog: Catalog, where: Filter, revision: int) -> NDArray[np.int64] | None:
        """Returns the ids that pass the filter, and raises the errors, as `allowed` does."""
        if where is ALL or not where:
            return None
        key = Path.cwd(), revision, where  # `under` may be relative to the working folder
        if key != self._key:
            self._ids, self._key = allowed(catalog, where), key
        return self._ids


def _by_name(catalog: Catalog, where: Filter) -> list[NDArray[np.int64]]:
    """Returns the ids below the folder, and those with the label; neither may be empty."""
    selections = []
    if where.under is not None:
        selections.append(_under(catalog, where.under, on_disk=where.on_disk))
        if not len(selections[-1]):
            raise UsageError(
                f"No pictures of {catalog.folder} lie under {shortened(where.under)}.",
                _like(where.under, _folders(catalog)),
            )
    if where.label is not None:
        selections.append(ids_of(catalog, *_labelled(where.label)))
        if not len(selections[-1]):
            raise UsageError(
                f"No pictures of {catalog.folder} have the label {shortened(where.label)}.",
                _like(where.label, _labels(catalog)),
            )
    return selections


def _conditions(where: Filter) -> list[tuple[str, object]]:
    """Returns the conditions in SQL, which hold no text of the user, and their values."""
    sides = "min(width, height)"
    conditions: list[tuple[str, object]] = [
        (sql, value)
        for sql, value in (
            (f"{sides} >= ?", _countable(where.min_side)),
            (f"{sides} <= ?", _countable(where.max_side)),
            ("size >= ?", _countable(where.min_bytes)),
            ("size <= ?", _countable(where.max_bytes)),
            ("id IN (SELECT value FROM json_each(?))", _listed(where.ids)),
        )
        if value is not None
    ]
    if where.glob is not None:
        # A slash before the path lets one pattern match the end of the path as well as all of it.
        sql = f"'/' || CAST({_COMPOSED_PATH} AS TEXT) GLOB '*/' || ?"
        conditions.append((sql, text(composed(where.glob))))
    return conditions


def _labelled(label: str) -> tuple[str, str | bytes, str | bytes, str | bytes]:
    """Returns the query for the items of a label, and its values: the Unicode forms of it.

    Labels are stored composed; releases before this form was kept have stored any.
    """
    decomposed = unicodedata.normalize("NFD", label)
    forms = text(label), text(composed(label)), text(decomposed)
    return "SELECT id FROM items WHERE label IN (?, ?, ?)", *forms


def _listed(ids: Sequence[int] | None) -> str | None:
    """Returns ids as JSON, the form in which SQLite takes a list."""
    return None if ids is None else json.dumps(ids)


def _nanoseconds(moment: datetime | None) -> int | None:
    """Returns nanoseconds since 1970, as far as SQLite can count them: to the year 2262."""
    if moment is None:
        return None
    try:
        seconds = moment.timestamp()
    except (ValueError, OverflowError, OSError):
        # The system knows no local time so far back; at that distance the time zone is negligible.
        seconds = moment.replace(tzinfo=UTC).timestamp()
    return _countable(round(seconds * 1e6) * 1000)


def _countable(number: int | None) -> int | None:
    """Returns the nearest number that SQLite can store; no count lies beyond."""
    return None if number is None else countable(number)


def below_folder(catalog: Catalog, folder: str) -> NDArray[np.int64]:
    """Returns the ids of the items below a folder, an absolute path: int64, ascending."""
    selections = [np.empty(0, dtype=np.int64)]
    folder = composed(folder)
    for root in catalog.roots():
        path = composed(root.path)
        if below(path, folder) is not None:
            selections.append(ids_of(catalog, "SELECT id FROM items WHERE root_id = ?", root.id))
        elif relative := below(folder, path):
            selections.append(_range(catalog, root.id, relative + "/"))
    return np.sort(np.concatenate(selections))  # an item has one root, so no id occurs twice


def _under(catalog: Catalog, under: str, *, on_disk: bool) -> NDArray[np.int64]:
    """Returns the ids below a folder that is absolute, or relative to a root or working folder."""
    folders = [inside(root.path, under) for root in catalog.roots()]
    resolved = _resolved(under) if on_disk else None
    if resolved is not None and Path(under).is_absolute():
        folders.append(resolved)
    selections = [
        ids for folder in dict.fromkeys(folders) if len(ids := below_folder(catalog, folder))
    ]
    if not selections:
        return _NONE if resolved is None else below_folder(catalog, resolved)
    return selections[0] if len(selections) == 1 else np.unique(np.concatenate(selections))


def _resolved(under: str) -> str:
    """Returns the path that a folder has on the disk, all links followed."""
    try:
        return os.path.realpath(under)
    except ValueError as error:  # a null character, or half of a surrogate pair
        raise UsageError(f"{shortened(under)!r} cannot be a path: {error}.") from error


def _range(catalog: Catalog, root: int, prefix: str) -> NDArray[np.int64]:
    """Returns the ids of items of a root whose path starts with `prefix`, which ends in a slash.

    They are a range of the unique index on (root, path): paths that start with "a/" lie between
    "a/" and "a0", as "0" is the character after the slash. Paths stored as bytes are a range of
    their own. A prefix with letters that have several Unicode forms is looked for in all paths that
    have such letters.
    """
    if not prefix.isascii():
        sql = f"SELECT id, path FROM items WHERE root_id = ? AND NOT {_ASCII_PATH}"  # noqa: S608
        rows = catalog.database.rows(sql, root)
        found = [number for number, path in rows if composed(plain(path)).startswith(prefix)]
        return np.sort(np.array(found, dtype=np.int64))
    sql = "SELECT id FROM items WHERE root_id = ? AND path >= ? AND path < ?"
    low = prefix.encode("utf-8", "surrogatepass")
    ids = ids_of(catalog, sql, root, low, low[:-1] + b"0")
    if isinstance(text(prefix), str):
        ids = np.concatenate([ids, ids_of(catalog, sql, root, prefix, prefix[:-1] + "0")])
    return ids


def _labels(catalog: Catalog) -> list[str]:
    """Returns different labels, sorted: all of them, or those of the first items of many."""
    sql = "SELECT DISTINCT label FROM (SELECT label FROM items LIMIT ?) WHERE label IS NOT NULL"
    found = catalog.database.rows(sql, _NAMES_READ)
    return sorted({composed(plain(label)) for (label,) in found})


def _folders(catalog: Catalog) -> list[str]:
    """Returns folders relative to their roots, sorted: all, or those of the first items of many."""
    rows = catalog.database.rows("SELECT path FROM items LIMIT ?", _NAMES_READ)
    paths = (composed(plain(path)) for (path,) in rows)
    return sorted({parent for path in paths if (parent := path.rpartition("/")[0])})


def _like(wanted: str, names: Sequence[str]) -> str:
    """Returns a remedy that suggests names similar to the one that was given.

    The comparison takes a time that grows with the product of the lengths, so that long names are
    left out, and of many names only some are compared.
    """
    compared = [name for name in names if len(name) <= _NAME][:_SUGGESTED]
    close = (
        difflib.get_close_matches(wanted, compared, n=3, cutoff=0.5) if len(wanted) <= _NAME else []
    )
    folded = [name for name in names if name.casefold() == wanted.casefold()][:3]
    if close or folded:
        return f"Did you mean {' or '.join(map(shortened, dict.fromkeys(folded + close)))}?"
    listed = ", ".join(map(shortened, names[:10]))
    return f"There are: {listed}{' …' if len(names) > 10 else ''}" if names else ""


def _too_long(value: str) -> bool:
    """Whether a text takes more than `MOST_BYTES`."""
    return len(value) > MOST_BYTES or len(value.encode("utf-8", "surrogatepass")) > MOST_BYTES
