"""Reading vectors that other programs have written: ``.npy`` and Parquet.

Such a file may come from anybody. No Python object is unpickled, ``.npy`` files are mapped into
memory, and Parquet is read some thousands of rows at a time into a temporary file that is mapped.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import UsageError, require
from clr_search.files.disk import told
from clr_search.files.tables.columns import MOST_CHARACTERS, check_names, spelt
from clr_search.files.tables.labels import LABELS, PATHS
from clr_search.files.tables.vector_rows import VECTOR_NAMES
from clr_search.files.write import reserve

ENDINGS = (".parquet", ".npy")
"""Suffixes of the files that vectors are read from."""

MOST_VALUES = 65_536
"""Longest vector that is read."""

_AT_ONCE = 2**22  # values of vectors that are decoded at once: 32 MB, if they are float64
_MOST_ROWS = 8192  # rows that are decoded at once
_DENSEST = 1000  # bytes of vectors, as float32, for each byte of a Parquet file


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """The rows of a file of vectors; what is mapped of them lives as long as `read_vectors`.

    Attributes
    ----------
    vectors : float array, shape (N, D)
        The vectors as they are in the file: of any length, and perhaps not finite.
    paths : list of str or None
        The path of each row; None where the file has no paths.
    labels : list of (str or None), or None
        The label of each row; None where the file has no labels.
    columns : dict of str to list of str
        The values of further columns, as text; empty where a row has none.
    left_out : dict of str to str
        Why further columns were not read, by their names.
    """

    vectors: NDArray[np.floating]
    paths: list[str] | None = None
    labels: list[str | None] | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@contextmanager
def read_vectors(path: Path) -> Iterator[VectorTable]:
    """Yields the rows of a file.

    An ``.npy`` file is an array of float16, float32 or float64, shape (N, D). A Parquet file has a
    column of lists of such numbers, called as one of `VECTOR_NAMES` where there are several, and a
    column of paths (`labels.PATHS`); it may have one of labels (`labels.LABELS`) and further ones.

    Raises
    ------
    UsageError
        If the suffix is another one, the file cannot be read, it holds no vectors or no paths,
        vectors differ in length, or a value is missing; or if Parquet is to be read without
        pyarrow.
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        yield VectorTable(_mapped(path))
    elif kind == ".parquet":
        with tempfile.TemporaryFile() as file:
            yield _of_parquet(path, file)
    else:
        raise UsageError(f"{path} does not end in {', '.join(ENDINGS)}.")


def read_queries(path: Path) -> NDArray[np.floating]:
    """Returns vectors to search by: those of an ``.npy`` file, of one, (D,), or several, (N, D).

    Raises
    ------
    UsageError
        If the file is no such array of float16, float32 or float64.
    """
    return _mapped(path, alone=True)


def _mapped(path: Path, *, alone: bool = False) -> NDArray[np.floating]:
    """Returns the array of an ``.npy`` file, mapped into memory; it may be one vector `alone`."""
    try:
        rows: NDArray[np.floating] = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, TypeError, OverflowError, EOFError, MemoryError) as error:
        if "Python objects" in str(error):
            raise UsageError(
                f"{path} holds Python objects, which are not read: they could run any program.",
                "Save an array of numbers: numpy.save(path, vectors.astype('float32'))",
            ) from None
        raise UsageError(f"{path} cannot be read as an array of NumPy: {error}.") from error
    if rows.dtype.kind != "f" or rows.dtype.itemsize > 8:
        raise UsageError(
            f"{path} holds {rows.dtype.name}; vectors are float16, float32 or float64.",
            "Convert it: numpy.save(path, vectors.astype('float32'))",
        )
    if alone and rows.ndim == 1:
        rows = rows[None]
    if rows.ndim != 2 or not len(rows) or not 0 < rows.shape[1] <= MOST_VALUES:
        raise UsageError(
            f"{path} has the shape {rows.shape}; vectors have the shape (N, D), with D up to "
            f"{MOST_VALUES:,}."
        )
    return rows


def _of_parquet(path: Path, room: IO[bytes]) -> VectorTable:
    """Returns the rows of a Parquet file; their vectors are written into `room`."""
    parquet: Any = require("pyarrow.parquet", "parquet")
    import pyarrow as pa

    try:
        file = parquet.ParquetFile(path, pre_buffer=False)
        chosen = _Columns.of(path, file.schema_arrow)
        texts = [chosen.path, *filter(None, [chosen.label]), *chosen.others]
        # A text that is there many times takes its memory once.
        as_texts = parquet.ParquetFile(path, pre_buffer=False, read_dictionary=texts)
        vectors = _vectors(path, file, chosen.vector, room)
        table, left_out = {}, {}
        for name in texts:
            values = _texts(as_texts, name)
            if values is not None:
                table[name] = values
            elif name in chosen.others:
                left_out[name] = f"it has a value of over {MOST_CHARACTERS:,} letters"
            else:
                raise UsageError(f"{path} has a {name} of over {MOST_CHARACTERS:,} letters.")
    except (OSError, ValueError, LookupError, MemoryError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read as Parquet: {_short(error)}.") from error
    paths = table[chosen.path]
    if "" in paths:
        raise UsageError(f"{path}, row {paths.index('')}, has no {chosen.path}.")
    labels = [text or None for text in table[chosen.label]] if chosen.label else None
    others = {name: table[name] for name in chosen.others if name in table}
    return VectorTable(vectors, paths, labels, others, left_out)


def _short(error: Exception) -> str:
    """Returns the first line of a message of Arrow, which may be long."""
    return str(error).split("\n", 1)[0][:200].rstrip(".")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a Parquet file are what."""

    vector: str
    path: str
    label: str | None
    others: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, schema: Any) -> _Columns:
        """Chooses the columns of a file by their names and types."""
        from pyarrow import types

        lists = [f.name for f in schema if _is_vector(f.type)]
        scalars = [f.name for f in schema if not types.is_nested(f.type) and _is_plain(f.type)]
        check_names(path, [*lists, *scalars])
        vector = _named(lists, VECTOR_NAMES) or (lists[0] if len(lists) == 1 else None)
        if vector is None:
            raise UsageError(
                f"{path} has {len(lists) or 'no'} columns of vectors: lists of float16, float32 or "
                "float64.",
                f"Call the one to read {VECTOR_NAMES[0]}.",
            )
        named = _named(scalars, PATHS)
        if named is None:
            raise UsageError(
                f"{path} has no column path.",
                f"Name the column of the paths: {', '.join(PATHS)}.",
            )
        label = _named(scalars, LABELS)
        others = tuple(name for name in scalars if name not in (named, label))
        return cls(vector, named, label, others)


def _named(names: list[str], known: tuple[str, ...]) -> str | None:
    """Returns the name that is the most telling of the known ones, in any case."""
    folded = {name.lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)}
    return next((folded[name] for name in known if name in folded), None)


def _is_vector(kind: Any) -> bool:
    """Whether a type is a list of floating-point numbers."""
    from pyarrow import types

    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return bool(lists and types.is_floating(kind.value_type))


def _is_plain(kind: Any) -> bool:
    """Whether a type is text, a number, a truth value, or a date."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    text = types.is_string(kind) or types.is_large_string(kind)
    number = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(text or number or types.is_date(kind) or types.is_timestamp(kind))


def _vectors(path: Path, file: Any, name: str, room: IO[bytes]) -> NDArray[np.float32]:
    """Writes a column of vectors into a file, and returns it mapped: float32 (N, D)."""
    count = file.metadata.num_rows
    if not count:
        raise UsageError(f"{path} has no rows.")
    dimension = _length(path, file, name)
    size = 4 * count * dimension
    if size > _DENSEST * path.stat().st_size:
        raise UsageError(
            f"{path} would unpack to {count:,} vectors of {dimension:,} values, over {_DENSEST:,} "
            "times its size.",
            "Write it without such compression.",
        )
    folder = Path(tempfile.gettempdir())
    with told(folder):
        reserve(room, size, folder)
    rows = np.memmap(room, np.float32, "r+", shape=(count, dimension))
    start = 0
    most = min(_MOST_ROWS, max(1, _AT_ONCE // dimension))
    for batch in file.iter_batches(batch_size=most, columns=[name]):
        part = _part(path, batch.column(0), start, dimension)
        with np.errstate(over="ignore"):  # what is too large is refused with what is not finite
            rows[start : start + len(part)] = part
        start += len(part)
    if start != count:
        raise UsageError(f"{path} has {start:,} rows, and claims {count:,}.")
    return rows


def _length(path: Path, file: Any, name: str) -> int:
    """Returns the length of the vectors of a file by what it says of them, before reading any."""
    at = next(
        n
        for n in range(file.metadata.num_columns)
        if file.schema.column(n).path.split(".", 1)[0] == name
    )
    groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
    values = sum(group.column(at).num_values for group in groups)
    dimension, rest = divmod(values, file.metadata.num_rows)
    if rest or not 0 < dimension <= MOST_VALUES:
        raise UsageError(
            f"{path} has {values:,} values in {file.metadata.num_rows:,} vectors of the column "
            f"{name}; all have to have the same number, up to {MOST_VALUES:,}."
        )
    return int(dimension)


def _part(path: Path, lists: Any, start: int, dimension: int) -> NDArray[np.floating]:
    """Returns some rows as an array, float (n, D); `start` is the number of the first."""
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False)
    wrong = ~(lengths == dimension)  # also where a row is missing, whose length is NaN
    if wrong.any():
        row = int(wrong.argmax())
        has = 0 if lists[row].as_py() is None else int(lengths[row])
        raise UsageError(f"{path}, row {start + row}, has {has:,} values; others {dimension:,}.")
    values = lists.flatten()
    if values.null_count:
        row = next(n for n in range(len(lists)) if None in lists[n].as_py())
        raise UsageError(f"{path}, row {start + row}, has a vector with a missing value.")
    flat = values.to_numpy(zero_copy_only=False)
    rows: NDArray[np.floating] = flat.reshape(-1, dimension)
    return rows


def _texts(file: Any, name: str) -> list[str] | None:
    """Returns a column as text, empty where there is no value; None where one is too long."""
    texts: list[str] = []
    for batch in file.iter_batches(batch_size=_MOST_ROWS, columns=[name]):
        column = batch.column(0)
        if hasattr(column, "dictionary"):
            known = [spelt(value) for value in column.dictionary.to_pylist()]
            part = ["" if at is None else known[at] for at in column.indices.to_pylist()]
        else:
            known = part = [spelt(value) for value in column.to_pylist()]
        if max(map(len, known), default=0) > MOST_CHARACTERS:
            return None
        texts += part
    return texts
