"""Restricting a search to some pictures, by folder, label, path, time, size or id."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import below
from clr_search.index.catalog.sqlite.database import plain, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is asked of a picture; all of it, where several things are.

    Attributes
    ----------
    under : str, optional
        A folder: absolute, relative to a root, or else relative to the working folder. Compared by
        whole names: ``roses`` does not stand for ``roses-old``.
    label : str, optional
        The exact label.
    glob : str, optional
        A pattern with ``*``, ``?`` and ``[…]`` for the path below the root, or for its end:
        ``IMG_*.jpg`` matches in every folder. ``*`` also stands for slashes; case counts.
    after, before : datetime, optional
        Files changed at or after, and before, this time; without a time zone, that of the machine.
    min_side, max_side : int, optional
        Shorter side of the picture in pixels.
    min_bytes, max_bytes : int, optional
        Size of the file.
    ids : sequence of int, optional
        These items only; ids that are none are ignored. Kept as a tuple, so that filters can be
        compared, and what becomes of a list later does not matter.
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

    def __post_init__(self) -> None:
        if self.ids is not None:
            object.__setattr__(self, "ids", tuple(int(number) for number in self.ids))

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) is not None for item in fields(self))


ALL = Filter()
"""The filter that leaves everything."""


def joined(
    where: Filter | Mapping[str, Any], *, under: str | None = None, label: str | None = None
) -> Filter:
    """A filter, or a mapping with its fields, and this folder and label besides.

    Raises
    ------
    UsageError
        If two folders or two labels are asked for, or a field is no condition.
    """
    if not isinstance(where, Filter):
        names = [field.name for field in fields(Filter)]
        for name in where:
            if name not in names:
                raise UsageError(
                    f"{name} is no condition of a filter.", f"There are: {', '.join(names)}."
                )
        where = Filter(**where)
    for name, value in (("under", under), ("label", label)):
        if value is not None and getattr(where, name) not in (None, value):
            raise UsageError(f"Two values of {name} are asked for: {value}, and another in where.")
    return replace(where, under=under or where.under, label=label or where.label)


def allowed(catalog: Catalog, where: Filter = ALL) -> NDArray[np.int64] | None:
    """Ids a filter leaves, ascending; None where there is no filter.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    where : Filter
        The conditions.

    Raises
    ------
    UsageError
        If it leaves nothing; for a folder or label without items, naming those that are spelt like
        it.
    """
    if not where:
        return None
    parts = _by_name(catalog, where)
    conditions = _conditions(where)
    if conditions:
        sql = " AND ".join(condition for condition, _ in conditions)
        values = [value for _, value in conditions]
        parts.append(_ids(catalog, f"SELECT id FROM items WHERE {sql}", *values))  # noqa: S608
    found = parts[0]
    for part in parts[1:]:
        found = np.intersect1d(found, part, assume_unique=True)
    if not len(found):
        if where == Filter(under=where.under, label=where.label):
            raise UsageError(f"No pictures under {where.under} have the label {where.label}.")
        raise UsageError(
            f"No pictures of {catalog.folder} pass the filter.", "Leave out one of its conditions."
        )
    return found


class Passing:
    """`allowed`, not asked again while it is the same filter of the same revision."""

    def __init__(self) -> None:
        self._asked: tuple[Path, int, Filter] | None = None
        self._ids: NDArray[np.int64] | None = None

    def ids(self, catalog: Catalog, where: Filter, revision: int) -> NDArray[np.int64] | None:
        """Ids that the filter leaves, ascending; see `allowed`."""
        if where is ALL or not where:
            return None
        asked = Path.cwd(), revision, where  # a folder may be relative
        if asked != self._asked:
            self._ids, self._asked = allowed(catalog, where), asked
        return self._ids


def _by_name(catalog: Catalog, where: Filter) -> list[NDArray[np.int64]]:
    """Ids below the folder, and those with the label; each of these must have some."""
    parts = []
    if where.under is not None:
        parts.append(_under(catalog, where.under))
        if not len(parts[-1]):
            raise UsageError(
                f"No pictures of {catalog.folder} lie under {where.under}.",
                _like(where.under, _folders(catalog)),
            )
    if where.label is not None:
        parts.append(_ids(catalog, "SELECT id FROM items WHERE label = ?", text(where.label)))
        if not len(parts[-1]):
            raise UsageError(
                f"No pictures of {catalog.folder} have the label {where.label}.",
                _like(where.label, _labels(catalog)),
            )
    return parts


def _conditions(where: Filter) -> list[tuple[str, object]]:
    """Conditions in SQL, our own text, with their values."""
    sides = "min(width, height)"
    found: list[tuple[str, object]] = [
        (sql, value)
        for sql, value in (
            (f"{sides} >= ?", _countable(where.min_side)),
            (f"{sides} <= ?", _countable(where.max_side)),
            ("size >= ?", _countable(where.min_bytes)),
            ("size <= ?", _countable(where.max_bytes)),
            ("mtime_ns >= ?", _nanoseconds(where.after)),
            ("mtime_ns < ?", _nanoseconds(where.before)),
            ("id IN (SELECT value FROM json_each(?))", _listed(where.ids)),
        )
        if value is not None
    ]
    if where.glob is not None:
        # A slash before the path, so that one pattern stands for its end as well as for all of it.
        found.append(("'/' || CAST(path AS TEXT) GLOB '*/' || ?", text(where.glob)))
    return found


def _listed(ids: Sequence[int] | None) -> str | None:
    return None if ids is None else json.dumps(ids)


def _nanoseconds(moment: datetime | None) -> int | None:
    """Nanoseconds since 1970, as far as SQLite can count them: to the year 2262."""
    if moment is None:
        return None
    try:
        seconds = moment.timestamp()
    except (ValueError, OverflowError, OSError):
        # The system knows no local time so far back; the zone is nothing against the distance.
        seconds = moment.replace(tzinfo=UTC).timestamp()
    return _countable(round(seconds * 1e6) * 1000)


def _countable(number: int | None) -> int | None:
    """The nearest number that SQLite has: nothing that is counted lies beyond."""
    return None if number is None else max(-(2**63), min(2**63 - 1, number))


def below_folder(catalog: Catalog, folder: str) -> NDArray[np.int64]:
    """Ids of the items below a folder given by its absolute path, ascending."""
    found = [np.empty(0, dtype=np.int64)]
    for root in catalog.roots():
        if below(root.path, folder) is not None:
            found.append(_ids(catalog, "SELECT id FROM items WHERE root_id = ?", root.id))
        elif way := below(folder, root.path):
            found.append(_range(catalog, root.id, way + "/"))
    return np.sort(np.concatenate(found))  # an item has one root, so none comes twice


def _under(catalog: Catalog, under: str) -> NDArray[np.int64]:
    try:
        here = os.path.realpath(under)
    except ValueError as error:  # a null character, or half of a surrogate pair
        raise UsageError(f"{under!r} cannot be a path: {error}.") from error
    if Path(under).is_absolute():
        places = [os.path.normpath(under), here]
    else:
        places = [os.path.normpath(str(Path(root.path) / under)) for root in catalog.roots()]
    found = [ids for place in dict.fromkeys(places) if len(ids := below_folder(catalog, place))]
    if not found:
        return below_folder(catalog, here)
    return found[0] if len(found) == 1 else np.unique(np.concatenate(found))


def _range(catalog: Catalog, root: int, prefix: str) -> NDArray[np.int64]:
    """Items of a root whose path starts with `prefix`, which ends in a slash.

    A range of the unique index on (root, path): whatever starts with "a/" lies between "a/" and
    "a0", "0" being the character after the slash. Paths kept as bytes have a range of their own.
    """
    sql = "SELECT id FROM items WHERE root_id = ? AND path >= ? AND path < ?"
    low = prefix.encode("utf-8", "surrogatepass")
    found = _ids(catalog, sql, root, low, low[:-1] + b"0")
    if isinstance(text(prefix), str):
        found = np.concatenate([found, _ids(catalog, sql, root, prefix, prefix[:-1] + "0")])
    return found


def _ids(catalog: Catalog, sql: str, *values: object) -> NDArray[np.int64]:
    """Ascending; as one JSON text, since a row of Python for each takes several times as long."""
    found = catalog.database.scalar(f"SELECT json_group_array(id) FROM ({sql})", *values)  # noqa: S608
    return np.sort(np.array(json.loads(str(found)), dtype=np.int64))


def _labels(catalog: Catalog) -> list[str]:
    rows = catalog.database.rows("SELECT DISTINCT label FROM items WHERE label IS NOT NULL")
    return sorted(plain(label) for (label,) in rows)


def _folders(catalog: Catalog) -> list[str]:
    rows = catalog.database.rows("SELECT path FROM items")
    return sorted({parent for (path,) in rows if (parent := plain(path).rpartition("/")[0])})


def _like(wanted: str, names: Iterable[str]) -> str:
    names = list(names)
    close = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    folded = [name for name in names if name.casefold() == wanted.casefold()]
    if close or folded:
        return f"Did you mean {' or '.join(dict.fromkeys(folded + close))}?"
    return f"There are: {', '.join(names[:10])}{' …' if len(names) > 10 else ''}" if names else ""
