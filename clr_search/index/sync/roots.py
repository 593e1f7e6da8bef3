"""The root of an item: the one indexed folder that its path is relative to.

The root of a file is the given folder that it lies below. A file that was itself given, and lies
below no given folder, has the folder that it lies in as its root. When a new given folder contains
earlier roots, their items move to it with their embeddings, so that no file is indexed twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from clr_search.errors import UsageError
from clr_search.files.stores.address import is_address
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import absolute, below, folder_identity, is_missing
from clr_search.index.catalog.records import Root
from clr_search.progress import Reporter

_SHOWN = 5  # folders that an error names


def give(catalog: Catalog, folder: str) -> None:
    """Make a folder a given root, unless it lies below one; roots inside it are merged into it.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, inside `writing`.
    folder : str
        Absolute path of the folder, without links.
    """
    roots = catalog.roots()
    if any(root.given and below(folder, root.path) is not None for root in roots):
        return
    number = catalog.add_root(folder, given=True)
    for root in roots:
        if relative := below(root.path, folder):
            catalog.merge_root(root, number, relative + "/")


def home(catalog: Catalog, path: str, given: Iterable[Root] | None = None) -> tuple[int, str]:
    """Returns the root of a file, which is added if the file has none yet.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, inside `writing`.
    path : str
        Absolute path of the file.
    given : iterable of Root, optional
        The roots that were given, if the caller knows them; they are read if not.

    Returns
    -------
    id : int
        Id of the root.
    relative : str
        Path of the file below the root.
    """
    for root in catalog.roots() if given is None else given:
        if root.given and (relative := below(path, root.path)):
            return root.id, relative
    if is_address(path):
        folder, _, name = path.rpartition("/")
    else:
        folder, name = os.path.split(path)
    return catalog.add_root(folder, given=False), name


def refuse_replaced(before: dict[str, tuple[int, int] | None]) -> None:
    """Refuse folders that are no longer the ones they were, as when a disk has gone away.

    The other pictures of such a disk look as if they had been deleted.

    Parameters
    ----------
    before : dict of str to ((int, int) or None)
        The `folder_identity` of each folder before its files were looked at.

    Raises
    ------
    UsageError
        If the identity of a folder has changed.

    Examples
    --------
    >>> refuse_replaced({".": folder_identity(".")})
    """
    for folder, identity in before.items():
        if folder_identity(folder) != identity:
            raise UsageError(
                f"{folder} went away while it was looked at; nothing has left the collection.",
                "Run the same command again when it is back.",
            )


def settle(catalog: Catalog, reporter: Reporter) -> None:
    """Store where the collection and its roots are now, if they have moved together."""
    with catalog.reading():
        now = catalog.roots()
        home = catalog.home()
    here = str(catalog.folder.real)
    if home == here or len({root.path for root in now}) < len(now):
        return
    with catalog.database.writing():  # no change of the items, so no new revision
        catalog.set_roots(now)
    if home is not None:
        reporter.message(f"The collection has moved from {home}; its folders are looked for here.")


def relocate(catalog: Catalog, old: str, new: str) -> int:
    """Give the items of a folder that has moved their new paths, without looking at content.

    Items that the collection has at a new path already give way to those that have moved.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    old, new : str
        Absolute paths of the folder before and now.

    Returns
    -------
    int
        The number of items that have moved.

    Raises
    ------
    UsageError
        If the collection has nothing of `old`, or none of its pictures is below `new`.
    """
    with catalog.writing():
        known = catalog.known()
        moved = {path: relative for path in known if (relative := below(path, old))}
        if not moved:
            listed = ", ".join(root.path for root in catalog.roots()[:_SHOWN])
            raise UsageError(
                f"{catalog.folder} has no pictures of {old}.", f"Its folders are: {listed}."
            )
        if all(is_missing(absolute(new, relative)) for relative in moved.values()):
            raise UsageError(
                f"None of the {len(moved):,} pictures of {old} is below {new}.",
                "Give the folder that has taken its place, with the same folders inside.",
            )
        if os.path.isdir(old) and not all(map(is_missing, moved)):  # noqa: PTH112
            raise UsageError(
                f"{old} is still there, and so are pictures of it.",
                f"Index the other folder as well: clr-search add {catalog.folder} {new}",
            )
        give(catalog, new)
        for path, relative in moved.items():
            item, place = known[path], absolute(new, relative)
            if place in known and known[place].id != item.id:
                catalog.delete([known[place].id])
            catalog.move(item.id, *home(catalog, place), item.mtime_ns)
        catalog.unskip(entry.path for entry in catalog.skipped() if below(entry.path, old))
        gone = [root.id for root in catalog.roots() if below(root.path, old) is not None]
        catalog.drop_empty_roots(also_given=gone)
    return len(moved)


def gone_with_items(catalog: Catalog, known: Iterable[str], elsewhere: Iterable[str]) -> list[Root]:
    """Returns the roots none of whose pictures is there, of those that are not `elsewhere`.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, inside `reading` or `writing`.
    known : iterable of str
        Absolute paths of all items.
    elsewhere : iterable of str
        Folders, absolute, whose roots are left out.
    """
    known, others = list(known), list(elsewhere)
    found = []
    for root in catalog.roots():
        if any(below(root.path, other) is not None for other in others):
            continue
        inside = [path for path in known if below(path, root.path)]
        if inside and all(map(is_missing, inside)):
            found.append(root)
    return found
