"""The root of an item: the one indexed folder that its path is relative to.

The root of a file is the given folder that it lies below. A file that was itself given, and lies
below no given folder, has the folder that it lies in as its root. When a new given folder contains
earlier roots, their items move to it with their embeddings, so that no file is indexed twice.
"""

from __future__ import annotations

import os

from clr_search.errors import UsageError
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import below, folder_identity


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


def home(catalog: Catalog, path: str) -> tuple[int, str]:
    """Returns the root of a file, which is added if the file has none yet.

    Parameters
    ----------
    catalog : Catalog
        The catalogue, inside `writing`.
    path : str
        Absolute path of the file.

    Returns
    -------
    id : int
        Id of the root.
    relative : str
        Path of the file below the root.
    """
    for root in catalog.roots():
        if root.given and (relative := below(path, root.path)):
            return root.id, relative
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
