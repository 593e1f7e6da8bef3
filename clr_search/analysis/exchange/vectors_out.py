"""Exporting the vectors of a collection, with all that it knows of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from clr_search.analysis.layout import Layout, lay_out
from clr_search.errors import UsageError
from clr_search.files.tables.vector_rows import VECTOR_NAMES, VectorRows
from clr_search.files.tables.vector_writing import write_vectors
from clr_search.index import Filter, Index

_BLOCK = 4096  # rows that are read and written at once: 8 MB at D = 512

_COORDINATES = ("x", "y")


def export_vectors(
    index: Index,
    path: Path | str,
    *,
    where: Filter | None = None,
    names: Path | str | None = None,
    on_map: int | None = None,
    seed: int = 0,
) -> int:
    """Write the vectors of a collection into a file that other libraries read.

    It is one snapshot of the collection. The rows are in the order of the ids.

    Parameters
    ----------
    index : Index
        The collection.
    path : path
        The file to write, ``.parquet``, ``.npz`` or ``.npy``: see `write_vectors` for what each
        holds. An existing file is replaced.
    where : Filter, optional
        Only items that meet these conditions.
    names : path, optional
        A text file to write beside it, with the path of each row on a line.
    on_map : int, optional
        Place so many items on a map, an even sample of more, and write the coordinates as the
        columns ``x`` and ``y``; those of other items are empty. There is no map if not given.
    seed : int
        Seed of the map.

    Returns
    -------
    int
        The number of vectors.

    Raises
    ------
    UsageError
        If the suffix is another one, pyarrow is missing, no item meets the conditions, or a map is
        asked for with an ``.npy`` file, which has no columns.

    Examples
    --------
    ``export_vectors(index, "photos.parquet", where=Filter(label="rose"))``
    """
    path = Path(path)
    if on_map is not None and path.suffix.lower() == ".npy":
        raise UsageError(
            f"{path} would hold vectors alone, and no map.", "Write a .parquet or .npz file."
        )
    with index.snapshot():
        ids = index.ids(where=where)
        if not ids:
            raise UsageError(f"{index.path} has no items.")
        layout = None if on_map is None else lay_out(index, where=where, most=on_map, seed=seed)
        taken = {*VECTOR_NAMES[:1], *(() if layout is None else _COORDINATES)}
        own = [column for column in index.columns() if column.count]
        sources = {c.name + "_" * (c.name in taken): c.name for c in own}
        kinds = dict(zip(sources, (column.kind for column in own), strict=True))
        if layout is not None:
            kinds |= dict.fromkeys(_COORDINATES, "real")
        shape = (len(ids), index.info().dimension)
        blocks = _blocks(index, ids, sources, layout)
        write_vectors(path, blocks, shape, kinds, None if names is None else Path(names))
    return len(ids)


def _blocks(
    index: Index, ids: list[int], sources: Mapping[str, str], layout: Layout | None
) -> Iterator[VectorRows]:
    """Yields the rows of these items, some thousands at a time.

    `sources` are the columns of the collection, by the names that they have in the file.
    """
    placed: dict[int, list[float]] = {}
    if layout is not None:
        placed = dict(zip(layout.ids.tolist(), layout.places.tolist(), strict=True))
    for start in range(0, len(ids), _BLOCK):
        part = ids[start : start + _BLOCK]
        items = index.items(part)
        values = {name: index.values(part, source) for name, source in sources.items()}
        if layout is not None:
            for axis, name in enumerate(_COORDINATES):
                values[name] = {n: placed[n][axis] for n in part if n in placed}
        yield VectorRows(
            [str(item.path) for item in items],
            [item.label for item in items],
            index.vectors_of(part),
            {name: [known.get(number) for number in part] for name, known in values.items()},
        )
