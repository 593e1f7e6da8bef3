"""Which folder an item lies below: every file has one root.

Below a folder that was given, that folder is its root; a file that was given itself and lies below
no such folder has its own folder for a root. When a folder is given that lies around earlier roots,
their items move over to it with their embeddings, so that no file ever comes in twice.
"""

from __future__ import annotations

import os

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import below


def give(catalog: Catalog, folder: str) -> None:
    """Make a folder, an absolute path, a given root, unless it lies below one; inside `writing`."""
    roots = catalog.roots()
    if any(root.given and below(folder, root.path) is not None for root in roots):
        return
    number = catalog.add_root(folder, given=True)
    for root in roots:
        if way := below(root.path, folder):
            catalog.merge_root(root, number, way + "/")


def home(catalog: Catalog, path: str) -> tuple[int, str]:
    """Id of the root of a file, made where it has none, and the path below it; inside `writing`."""
    for root in catalog.roots():
        if root.given and (relative := below(path, root.path)):
            return root.id, relative
    folder, name = os.path.split(path)
    return catalog.add_root(folder, given=False), name
