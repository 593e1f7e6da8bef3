"""Making a collection of vectors that other programs have written, without their pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.finding.image_file import label_of
from clr_search.files.stores.address import is_address, located
from clr_search.files.tables.vector_reading import VectorTable, read_vectors
from clr_search.index import Index, UpdateReport
from clr_search.index.catalog.columns.store import EVERYWHERE
from clr_search.index.sync.ingest import Given, refuse_wrong
from clr_search.progress import Reporter, Silent

_LOOKED_AT, _COMPARED = 64, 8  # items that `agreement` looks for, and embeds


def import_vectors(
    collection: Path | str,
    path: Path | str,
    names: Sequence[str] | None = None,
    *,
    encoder: Path | str | None = None,
    share_encoder: bool = False,
    reporter: Reporter | None = None,
) -> UpdateReport:
    """Add the vectors of a file to a collection, which is made where there is none.

    A new collection has no encoder, unless one is given: it is searched by items and by vectors.
    All rows are checked before anything is written. The folder that all paths lie below becomes a
    folder of the collection, unless it is a whole disk, or a folder of the collection lies in it;
    without labels, each item has the name of its folder. See `Index.add_vectors` for what becomes
    of paths that are in the collection already.

    Parameters
    ----------
    collection : path
        The collection, such as ``photos.clr``.
    path : path
        The file of vectors, ``.npy`` or ``.parquet``: see `read_vectors`. Its further columns
        become columns of the items, except those that every collection has.
    names : sequence of str, optional
        The path of each vector, for a file that has none. If not given, a vector is called by the
        file and its row, from 0, as in ``/data/vectors.npy/17``.
    encoder : path, optional
        The encoder that made the vectors.
    share_encoder : bool
        As of `Index.create`.
    reporter : Reporter, optional
        The reporter that shows the progress; none if not given.

    Raises
    ------
    UsageError
        If the file cannot be used, a vector has no direction, a path is there twice, the numbers of
        vectors and of paths differ, or the vectors are not as long as those of the collection or of
        the encoder; nothing is written then.
    """
    path, reporter = Path(path), reporter or Silent()
    with read_vectors(path) as table:
        paths, dimension = _paths(path, table, names), table.vectors.shape[1]
        refuse_wrong(Given(table.vectors, paths, table.labels, None), dimension)
        common = _common(paths) if table.paths or names else None
        with Index.create(
            collection,
            encoder,
            dimension=dimension,
            share_encoder=share_encoder,
            reporter=reporter,
        ) as index:
            root = common if common is not None and _may_be_root(index, common) else None
            labels = table.labels
            if labels is None and root is None and common is not None:
                labels = [label_of(os.path.relpath(path, common)) for path in paths]
            report = index.add_vectors(table.vectors, paths, labels, root=root, reporter=reporter)
            _give_columns(index, table, paths)
    for name, why in table.left_out.items():
        reporter.message(f"The column {name} of {path} is left out: {why}.")
    return report


def agreement(index: Index) -> float | None:
    """Returns how alike vectors that were made elsewhere are to those that the encoder makes.

    It is the median cosine over some pictures whose files are there: close to 1 where the encoder
    is the one that made the vectors. It is None where no such picture can be read.

    Raises
    ------
    UsageError
        If the collection has no encoder.
    """
    encoder = index.encoder
    cosines: list[float] = []
    with index.snapshot():
        ids = index.ids()
        spread = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), _LOOKED_AT)).astype(np.int64))
        for item in index.items([ids[at] for at in spread]):
            if len(cosines) < _COMPARED and item.is_without_file and item.path.is_file():
                with suppress(ClrSearchError):
                    (made,), (held,) = encoder.encode([item.path]), index.vectors_of([item.id])
                    cosines.append(float(made @ held))
    return float(np.median(cosines)) if cosines else None


def _paths(path: Path, table: VectorTable, names: Sequence[str] | None) -> Sequence[str]:
    """Returns the paths of the rows: those of the file, those that are given, or numbers."""
    if table.paths is not None and names is not None:
        raise UsageError(f"{path} has paths of its own.", "Leave --paths out.")
    here = path.absolute()
    numbers = (str(here / str(number)) for number in range(len(table.vectors)))
    return table.paths or names or list(numbers)


def _common(paths: Iterable[str]) -> str | None:
    """Returns the folder that all paths lie below, absolute; None where they have none."""
    folders = {os.path.dirname(path) for path in paths}  # noqa: PTH120 -- a million Paths are slow
    if any(map(is_address, folders)):
        return _common_prefix(folders)
    try:
        return os.path.commonpath([os.path.abspath(folder) for folder in folders])  # noqa: PTH100
    except ValueError:  # on several disks of Windows
        return None


def _common_prefix(folders: Iterable[str]) -> str | None:
    """Returns the prefix that all addresses lie below; None where they are of several buckets."""
    if not all(map(is_address, folders)):
        return None
    scheme, _, inside = os.path.commonpath(list(folders)).partition(":/")
    return f"{scheme}://{inside}" if inside else None


def _may_be_root(index: Index, folder: str) -> bool:
    """Whether a folder may become one of the collection, which its updates look at as a whole.

    It may not be a whole disk, nor more than a folder that the collection was made of.
    """
    inside = [root for root in index.sources() if root.is_relative_to(folder)]
    given = located(folder)
    return given.parent != given and inside in ([], [given])


def _give_columns(index: Index, table: VectorTable, paths: Sequence[str]) -> None:
    """Gives the items the columns of a table; other items keep their values."""
    columns = {n: values for n, values in table.columns.items() if n.casefold() not in EVERYWHERE}
    if not columns:
        return
    with index.snapshot():
        ids = [index.id_at(path) for path in paths]
        known = {column.name for column in index.columns()}
        given = {
            name: (index.values(index.ids(), name) if name in known else {})
            | {number: value for number, value in zip(ids, values, strict=True) if value}
            for name, values in columns.items()
        }
    index.give_columns(given)
