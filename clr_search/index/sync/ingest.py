"""Embeddings that were made elsewhere, put into a collection without reading their files.

All that is given is checked before anything is written; then it is committed some thousands at a
time. What is known of a file, its size, time and sides, is 0: no picture is so, so that the next
update of its folder looks at it. In the place of the file's SHA-256 stands that of the item's path,
label and vector, by which the same call made again finds its items unchanged.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.files.find import label_of
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import KnownFolders, below, canonical
from clr_search.index.catalog.records import Content, IndexedFile
from clr_search.index.catalog.vectors import has_direction, to_blob
from clr_search.index.sync import roots
from clr_search.index.sync.report import UpdateReport
from clr_search.progress import Reporter

_COMMIT = 4096  # items in one transaction
_MARK = b"clr-search: a vector without a file\0"  # so that the SHA-256 is that of no file


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What `Index.add_vectors` was given; see there."""

    vectors: NDArray[np.floating]
    paths: Sequence[Path | str]
    labels: Sequence[str | None] | None
    root: Path | str | None


def ingest(catalog: Catalog, given: Given, reporter: Reporter) -> UpdateReport:
    """Put it in.

    Parameters
    ----------
    catalog : Catalog
        Writable.
    given : Given
        The vectors, and where they belong.
    reporter : Reporter
        Is told the progress.

    Raises
    ------
    UsageError
        If something of it does not fit; then nothing is put in.
    """
    with catalog.reading():
        dimension = catalog.facts().dimension
        spellings = KnownFolders(root.path for root in catalog.roots())
    _check_shapes(given, dimension)
    root = None if given.root is None else spellings.of(canonical(given.root))
    paths, labels = _absolute(given.paths, root, spellings), _texts(given.labels)
    if root is not None:
        with catalog.writing():
            roots.give(catalog, root)
    with catalog.reading():
        known = catalog.known()
    counts: Counter[str] = Counter()
    with reporter.task("Adding", len(paths), "vectors"):
        for start in range(0, len(paths), _COMMIT):
            part = slice(start, start + _COMMIT)
            theirs = None if labels is None else labels[part]
            counts.update(_commit(catalog, known, paths[part], given.vectors[part], theirs))
            reporter.advance(len(paths[part]))
    return UpdateReport(
        added=counts["added"], changed=counts["changed"], unchanged=counts["unchanged"]
    )


def _commit(
    catalog: Catalog,
    known: dict[str, IndexedFile],
    paths: Sequence[str],
    vectors: NDArray[np.floating],
    labels: Sequence[str | None] | None,
) -> list[str]:
    """One transaction; what became of each, as a field of `UpdateReport`."""
    outcomes = []
    homes: dict[str, tuple[int, str]] = {}  # of folders, since a root is asked for by SQL
    with catalog.writing() as revision:
        for position, (path, vector) in enumerate(zip(paths, _unit(vectors), strict=True)):
            content = _content(path, vector, None if labels is None else (labels[position],))
            item = known.get(path)
            if item is not None and item.sha256 == content.sha256:
                outcomes.append("unchanged")
                continue
            root, relative = _home(catalog, homes, path)
            if item is None:
                number = catalog.insert(root, relative, content, revision)
            else:
                number = item.id
                catalog.replace(number, content, revision)
            if labels is not None:
                catalog.set_label(number, labels[position])
            elif item is not None:  # where another label was given before
                catalog.set_label(number, label_of(relative))
            outcomes.append("added" if item is None else "changed")
        catalog.unskip(paths)
    return outcomes


def _home(catalog: Catalog, homes: dict[str, tuple[int, str]], path: str) -> tuple[int, str]:
    """Returns the root of a path and the way below it, as `roots.home` does."""
    folder, name = os.path.split(path)
    if folder not in homes:
        number, relative = roots.home(catalog, path)
        homes[folder] = number, relative[: len(relative) - len(name)]
    number, way = homes[folder]
    return number, way + name


def _content(path: str, vector: NDArray[np.float32], label: tuple[str | None] | None) -> Content:
    blob = to_blob(vector)
    words = repr((path, label)).encode("utf-8", "surrogatepass")
    return Content(0, 0, hashlib.sha256(_MARK + words + b"\0" + blob).hexdigest(), 0, 0, blob)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns rows of length 1, by way of float64, in which their squares do not overflow."""
    rows = np.asarray(vectors, np.float64)
    unit: NDArray[np.float32] = (rows / _lengths(rows)[:, None]).astype(np.float32)
    return unit


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return lengths


def _check_shapes(given: Given, dimension: int) -> None:
    """Refuse vectors that cannot be searched for, and paths and labels that do not go with them."""
    vectors = given.vectors
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise UsageError(
            f"The vectors have the shape {vectors.shape}; this collection needs (…, {dimension})."
        )
    for name, values in (("paths", given.paths), ("labels", given.labels)):
        if values is not None and len(values) != len(vectors):
            raise UsageError(f"There are {len(vectors):,} vectors, but {len(values):,} {name}.")
    for start in range(0, len(vectors), _COMMIT):
        rows = np.asarray(vectors[start : start + _COMMIT], np.float64)
        for number, norm in enumerate(_lengths(rows).tolist(), start):
            if not has_direction(norm):
                raise UsageError(f"Vector {number} has no direction: it is zero, or not finite.")


def _texts(labels: Sequence[str | None] | None) -> list[str | None] | None:
    """Labels as plain text: an array of text gives subclasses of it, with another repr."""
    if labels is None:
        return None
    for label in labels:
        if not isinstance(label, str | None):
            raise UsageError(f"The label {label!r} is no text.", "Give text, or None for no label.")
    return [None if label is None else str(label) for label in labels]


def _absolute(paths: Sequence[Path | str], root: str | None, spellings: KnownFolders) -> list[str]:
    """Absolute paths as items have them, all different, and below the root."""
    base = os.getcwd() if root is None else root  # noqa: PTH109 -- strings, a million of them
    folders: dict[str, str] = {}
    found: dict[str, None] = {}
    for path in paths:
        folder, name = os.path.split(os.path.normpath(os.path.join(base, path)))  # noqa: PTH118
        if not name or "\0" in name or "\0" in folder:
            raise UsageError(f"{str(path)!r} cannot be the path of a file.")
        if folder not in folders:
            folders[folder] = spellings.of(os.path.realpath(folder))
        spelt = os.path.join(folders[folder], name)  # noqa: PTH118
        if root is not None and not below(spelt, root):
            raise UsageError(f"{path} does not lie below {root}.", "Give another root, or none.")
        if spelt in found:
            raise UsageError(f"{path} is given twice.")
        found[spelt] = None
    return list(found)
