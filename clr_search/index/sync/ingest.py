"""Adding embeddings that were made elsewhere to a collection, without reading their files.

All arguments are checked before anything is written; the items are then committed 4,096 at a time.
Such an item has size, time, width and height 0, which no picture has, so that the next update of
its folder reads the file. Instead of the file's SHA-256, the item has that of its path, label and
vector: when the same call is made again, it shows that the item is unchanged.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError
from clr_search.files.finding.image_file import label_of
from clr_search.files.stores.address import is_address, located
from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.paths import KnownFolders, below, canonical
from clr_search.index.catalog.records import (
    Content,
    IndexedFile,
    Root,
    SkippedItem,
    countable,
)
from clr_search.index.catalog.vectors import has_direction, to_blob
from clr_search.index.sync import roots
from clr_search.index.sync.report import UpdateReport
from clr_search.index.sync.update import checked, commit
from clr_search.progress import Reporter
from clr_search.serve.results import Embedded, Skipped

_COMMIT = 4096  # items in one transaction: few enough that a killed call loses little
_MARK = b"clr-search: a vector without a file\0"  # hashed first, so that no file has the hash


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The arguments of `Index.add_vectors`, which describes them.

    Attributes
    ----------
    vectors : float array, shape (N, D)
        Vectors of any length but 0.
    paths : sequence of path, length N
        Paths of the items: absolute, or relative to `root`.
    labels : sequence of (str or None), length N, or None
        Labels of the items; None for the names of their folders.
    root : path or None
        The folder that all paths lie below, if one is given.
    """

    vectors: NDArray[np.floating]
    paths: Sequence[Path | str]
    labels: Sequence[str | None] | None
    root: Path | str | None


def refuse_wrong(given: Given, dimension: int) -> None:
    """Refuses what `ingest` would refuse of a collection of vectors of length `dimension`.

    A program that is to make the collection calls it before, so that none is left behind empty.

    Raises
    ------
    UsageError
        As `ingest`.
    """
    spellings = KnownFolders(())
    _check_shapes(given, dimension)
    _absolute(given.paths, None if given.root is None else canonical(given.root), spellings)
    _texts(given.labels)


def ingest(catalog: Catalog, given: Given, reporter: Reporter) -> UpdateReport:
    """Add vectors to a collection as items, or replace the vectors of items at the same paths.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    given : Given
        The vectors, their paths and labels.
    reporter : Reporter
        The reporter that shows the progress.

    Returns
    -------
    UpdateReport
        The numbers of items that were added, changed, or unchanged.

    Raises
    ------
    UsageError
        If shapes do not fit, a vector has no direction, or a path is given twice or does not lie
        below the root; nothing is added then.
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
            batch = slice(start, start + _COMMIT)
            batch_labels = None if labels is None else labels[batch]
            counts.update(_commit(catalog, known, paths[batch], given.vectors[batch], batch_labels))
            reporter.advance(len(paths[batch]))
    return UpdateReport(
        added=counts["added"], changed=counts["changed"], unchanged=counts["unchanged"]
    )


def ingest_embedded(
    catalog: Catalog,
    batches: Iterable[Sequence[Embedded | Skipped]],
    folders: Sequence[str],
    reporter: Reporter,
) -> UpdateReport:
    """Add files that were embedded elsewhere, with their sizes, times and contents.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection, writable.
    batches : iterable of sequences of Embedded or Skipped
        The results; one list is committed at a time.
    folders : sequence of str
        Folders that become given roots, absolute.
    reporter : Reporter
        The reporter that shows the progress.

    Raises
    ------
    UsageError
        If a vector has another length than those of the collection.
    """
    with catalog.writing():
        dimension = catalog.facts().dimension
        for folder in folders:
            roots.give(catalog, folder)
    with catalog.reading():
        known = catalog.known()
    counts: Counter[str] = Counter()
    skipped: list[SkippedItem] = []
    for batch in batches:
        results = [checked(result) for result in batch]
        new = [result for result in results if not _is_known(result, known)]
        for result in new:
            if isinstance(result, Skipped):
                skipped.append(SkippedItem(result.path, result.reason))
            elif len(result.vector) != dimension:
                raise UsageError(
                    f"The vector of {result.path} has {len(result.vector)} values; this collection "
                    f"has vectors of {dimension}."
                )
            else:
                counts["changed" if str(result.path) in known else "added"] += 1
        counts["unchanged"] += len(results) - len(new)
        commit(catalog, new, known)
        reporter.advance(len(results))
    return UpdateReport(
        added=counts["added"],
        changed=counts["changed"],
        unchanged=counts["unchanged"],
        skipped=tuple(sorted(skipped, key=lambda item: str(item.path))),
    )


def _is_known(result: Embedded | Skipped, known: dict[str, IndexedFile]) -> bool:
    """Whether the collection has this content of a file already."""
    item = known.get(str(result.path))
    if item is None or isinstance(result, Skipped):
        return False
    now = (result.size, countable(result.mtime_ns), result.sha256)
    return (item.size, item.mtime_ns, item.sha256) == now


def _commit(
    catalog: Catalog,
    known: dict[str, IndexedFile],
    paths: Sequence[str],
    vectors: NDArray[np.floating],
    labels: Sequence[str | None] | None,
) -> list[str]:
    """Commits one batch; returns for each item the field of `UpdateReport` that counts it."""
    outcomes = []
    homes: dict[str, tuple[int, str]] = {}  # by folder: each lookup of a root is an SQL query
    with catalog.writing() as revision:
        given = [root for root in catalog.roots() if root.given]
        for position, (path, vector) in enumerate(zip(paths, _unit(vectors), strict=True)):
            content = _content(path, vector, None if labels is None else (labels[position],))
            item = known.get(path)
            if item is not None and item.sha256 == content.sha256:
                outcomes.append("unchanged")
                continue
            root, relative = _home(catalog, homes, path, given)
            if item is None:
                number = catalog.insert(root, relative, content, revision)
            else:
                number = item.id
                catalog.replace(number, content, revision)
            if labels is not None:
                catalog.set_label(number, labels[position])
            elif item is not None:  # an earlier call may have given another label
                catalog.set_label(number, label_of(relative))
            outcomes.append("added" if item is None else "changed")
        catalog.unskip(paths)
    return outcomes


def _home(
    catalog: Catalog, homes: dict[str, tuple[int, str]], path: str, given: list[Root]
) -> tuple[int, str]:
    """Returns the id of the root of a path and the path below it; cached by folder."""
    folder, name = os.path.split(path)
    if folder not in homes:
        number, relative = roots.home(catalog, path, given)
        homes[folder] = number, relative[: len(relative) - len(name)]
    number, prefix = homes[folder]
    return number, prefix + name


def _content(path: str, vector: NDArray[np.float32], label: tuple[str | None] | None) -> Content:
    """Returns what the catalogue stores of a vector that has no file."""
    blob = to_blob(vector)
    described = repr((path, label)).encode("utf-8", "surrogatepass")
    return Content(0, 0, hashlib.sha256(_MARK + described + b"\0" + blob).hexdigest(), 0, 0, blob)


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Returns the rows scaled to length 1; float64 keeps their squares from overflowing."""
    rows = np.asarray(vectors, np.float64)
    unit: NDArray[np.float32] = (rows / _lengths(rows)[:, None]).astype(np.float32)
    return unit


def _lengths(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the L2 norm of each row, shape (N,)."""
    lengths: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    return lengths


def _check_shapes(given: Given, dimension: int) -> None:
    """Refuses vectors without a direction, and paths and labels whose number is another."""
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
    """Returns labels as plain `str`: NumPy arrays give a subclass, whose repr is another."""
    if labels is None:
        return None
    for label in labels:
        if not isinstance(label, str | None):
            raise UsageError(f"The label {label!r} is no text.", "Give text, or None for no label.")
    return [None if label is None else str(label) for label in labels]


def _spelt(path: Path | str, base: str, folders: dict[str, str], spellings: KnownFolders) -> str:
    """Returns one path as items have it; `folders` caches the spellings of folders."""
    if is_address(str(path)) or is_address(base):
        return str(located(str(path) if is_address(str(path)) else f"{base}/{path}"))
    folder, name = os.path.split(os.path.normpath(os.path.join(base, path)))  # noqa: PTH118
    if not name or "\0" in name or "\0" in folder:
        raise UsageError(f"{str(path)!r} cannot be the path of a file.")
    if folder not in folders:
        folders[folder] = spellings.of(os.path.realpath(folder))
    return os.path.join(folders[folder], name)  # noqa: PTH118


def _absolute(paths: Sequence[Path | str], root: str | None, spellings: KnownFolders) -> list[str]:
    """Returns absolute paths as items have them; refuses any that repeat or leave the root."""
    base = os.getcwd() if root is None else root  # noqa: PTH109 -- a million Paths are slow
    folders: dict[str, str] = {}
    absolute_paths: dict[str, None] = {}
    for path in paths:
        absolute_path = _spelt(path, base, folders, spellings)
        if root is not None and not below(absolute_path, root):
            raise UsageError(f"{path} does not lie below {root}.", "Give another root, or none.")
        if absolute_path in absolute_paths:
            raise UsageError(f"{path} is given twice.")
        absolute_paths[absolute_path] = None
    return list(absolute_paths)
