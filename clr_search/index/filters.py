"""Restricting a search to a folder or a label: names to ids."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.index.catalog import Catalog
from clr_search.index.database import plain, text
from clr_search.index.places import below


def allowed(
    catalog: Catalog, *, under: str | None = None, label: str | None = None
) -> NDArray[np.int64] | None:
    """Ids a filter leaves, ascending; None where there is no filter.

    Parameters
    ----------
    catalog : Catalog
        Inside `reading`.
    under : str, optional
        A folder: absolute, relative to a root, or else relative to the working folder. Compared by
        whole names: ``roses`` does not stand for ``roses-old``.
    label : str, optional
        The exact label.

    Raises
    ------
    UsageError
        If the folder or the label has no items, naming those that are spelt like it.
    """
    found: NDArray[np.int64] | None = None
    if under is not None:
        found = _under(catalog, under)
        if not len(found):
            raise UsageError(
                f"No pictures of {catalog.folder} lie under {under}.",
                _like(under, _folders(catalog)),
            )
    if label is not None:
        labelled = _ids(catalog, "SELECT id FROM items WHERE label = ?", text(label))
        if not len(labelled):
            raise UsageError(
                f"No pictures of {catalog.folder} have the label {label}.",
                _like(label, _labels(catalog)),
            )
        found = labelled if found is None else np.intersect1d(found, labelled, assume_unique=True)
        if not len(found):
            raise UsageError(f"No pictures under {under} have the label {label}.")
    return found


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
    if Path(under).is_absolute():
        places = [os.path.normpath(under), str(Path(under).resolve())]
    else:
        places = [os.path.normpath(str(Path(root.path) / under)) for root in catalog.roots()]
    found = [ids for place in dict.fromkeys(places) if len(ids := below_folder(catalog, place))]
    if not found:
        return below_folder(catalog, str(Path(under).resolve()))
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
    rows = catalog.database.rows(sql, *values)
    return np.sort(np.fromiter((number for (number,) in rows), dtype=np.int64))


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
