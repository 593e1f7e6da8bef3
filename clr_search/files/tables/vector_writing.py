"""Writing vectors into files that other libraries read: Parquet, ``.npy`` and ``.npz``.

Every file is written block by block, and has its name only when it is complete. None holds Python
objects, so that ``numpy.load`` reads all of them without ``allow_pickle``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from clr_search.errors import UsageError, require
from clr_search.files.tables.parquet import parquet_writer, stored_text
from clr_search.files.tables.vector_rows import KINDS, VECTOR_NAMES, Value, VectorRows
from clr_search.files.write import atomic_path

ENDINGS = (".parquet", ".npy", ".npz")
"""Suffixes of the files that vectors can be written to."""


class _File(Protocol):
    def add(self, rows: VectorRows) -> None: ...


def write_vectors(
    path: Path,
    blocks: Iterable[VectorRows],
    shape: tuple[int, int],
    columns: Mapping[str, str],
    names: Path | None = None,
) -> None:
    """Writes rows into a file, whose suffix chooses the format.

    A Parquet file has the columns ``path``, ``label``, the further ones, and ``vector``, a list of
    D float32. An ``.npz`` file has an array of each, where text without a value is empty,
    and a missing number NaN. An ``.npy`` file has the vectors alone, float32 (N, D).

    Parameters
    ----------
    path : Path
        The file to write; an existing one is replaced.
    blocks : iterable of VectorRows
        All rows, N together.
    shape : (int, int)
        N and D.
    columns : mapping of str to str
        The kind of each further column, of `KINDS`.
    names : Path, optional
        A text file to write beside it: the path of each row on a line; or, where a path has a line
        break, each path with a null character after it.

    Raises
    ------
    UsageError
        If the suffix is not in `ENDINGS`, or a Parquet file is to be written without pyarrow.
    """
    kind = path.suffix.lower()
    if kind not in ENDINGS:
        raise UsageError(f"{path} does not end in {', '.join(ENDINGS)}.")
    if kind == ".parquet":
        require("pyarrow", "parquet")
    with (
        atomic_path(path) as temporary,
        _names(names) as paths,
        _opened(kind, temporary, shape, columns) as file,
    ):
        for rows in blocks:
            file.add(rows)
            paths.extend(rows.paths)


@contextmanager
def _names(path: Path | None) -> Iterator[list[str]]:
    """Yields a list of paths, which is written at the end if there is a file for it."""
    paths: list[str] = []
    with nullcontext() if path is None else atomic_path(path) as temporary:
        yield paths
        if temporary is not None:
            end = "\0" if any("\n" in name or "\r" in name for name in paths) else "\n"
            with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as f:
                f.writelines(f"{name}{end}" for name in paths)


def _opened(
    kind: str, path: Path, shape: tuple[int, int], columns: Mapping[str, str]
) -> AbstractContextManager[_File]:
    """Opens a file of a format."""
    if kind == ".npy":
        return _Npy(path, shape)
    return _Npz(path, shape, columns) if kind == ".npz" else _parquet(path, shape[1], columns)


def _header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """Writes the header of a ``.npy`` file."""
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, described | {"shape": shape})


def _bytes(rows: VectorRows) -> bytes:
    """Returns the vectors as an ``.npy`` file holds them."""
    return np.ascontiguousarray(rows.vectors, dtype="<f4").tobytes()


class _Npy:
    """The vectors alone."""

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self._path, self._shape = path, shape

    def __enter__(self) -> _Npy:
        self._file = self._path.open("wb")
        _header(self._file, np.dtype("<f4"), self._shape)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: VectorRows) -> None:
        self._file.write(_bytes(rows))


class _Npz:
    """The vectors as they come, and after them the columns, which take far less memory."""

    _CHUNK = 8192  # texts that are encoded at once

    def __init__(self, path: Path, shape: tuple[int, int], columns: Mapping[str, str]) -> None:
        self._path, self._shape, self._kinds = path, shape, columns
        self._held: dict[str, list[Value | None]] = {
            name: [] for name in ("path", "label", *columns)
        }

    def __enter__(self) -> _Npz:
        self._zip = zipfile.ZipFile(self._path, "w", allowZip64=True)
        self._vectors = self._zip.open(f"{VECTOR_NAMES[0]}.npy", "w", force_zip64=True)
        _header(self._vectors, np.dtype("<f4"), self._shape)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._vectors.close()
        if kind is None:
            for name, values in self._held.items():
                self._write(name, values)
        self._zip.close()

    def add(self, rows: VectorRows) -> None:
        self._vectors.write(_bytes(rows))
        self._held["path"] += rows.paths
        self._held["label"] += rows.labels
        for name in self._kinds:
            self._held[name] += rows.columns[name]

    def _write(self, name: str, values: list[Value | None]) -> None:
        """Writes one column: integers, numbers with NaN for none, or texts of one width."""
        kind = KINDS[self._kinds.get(name, "text")]
        dtype: np.dtype[Any]
        if kind is int and None not in values:
            dtype = np.dtype("<i8")
        elif kind is str:
            width = max((len(str(value)) for value in values if value is not None), default=0)
            dtype = np.dtype(f"<U{max(1, width)}")
        else:
            dtype = np.dtype("<f8")
        nothing = "" if kind is str else np.nan
        entry = zipfile.ZipInfo(f"{name}.npy")
        entry.compress_type = zipfile.ZIP_DEFLATED
        with self._zip.open(entry, "w", force_zip64=True) as file:
            _header(file, dtype, (len(values),))
            for start in range(0, len(values), self._CHUNK):
                chunk = values[start : start + self._CHUNK]
                filled = [nothing if value is None else value for value in chunk]
                file.write(np.array(filled, dtype=dtype).tobytes())


class _Parquet:
    """A row group for each block."""

    def __init__(self, writer: Any, dimension: int, columns: Mapping[str, str]) -> None:
        self._writer, self._dimension, self._columns = writer, dimension, columns

    def add(self, rows: VectorRows) -> None:
        import pyarrow as pa

        schema = self._writer.schema
        flat = pa.array(np.ascontiguousarray(rows.vectors, np.float32).ravel())
        columns = [_valid(rows.paths), _valid(rows.labels)]
        columns += [_valid(rows.columns[name]) for name in self._columns]
        arrays = [
            pa.array(values, kind) for values, kind in zip(columns, schema.types[:-1], strict=True)
        ]
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, self._dimension))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


@contextmanager
def _parquet(path: Path, dimension: int, columns: Mapping[str, str]) -> Iterator[_Parquet]:
    """Opens a Parquet file of vectors of a length."""
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema(
        [("path", pa.string()), ("label", pa.string())]
        + [(name, kinds[KINDS[kind]]) for name, kind in columns.items()]
        + [(VECTOR_NAMES[0], pa.list_(pa.float32(), dimension))]
    )
    with parquet_writer(path, schema) as writer:
        yield _Parquet(writer, dimension, columns)


def _valid(values: Sequence[Value | None]) -> list[Value | None]:
    """Returns values as Parquet stores them."""
    return [stored_text(value) if isinstance(value, str) else value for value in values]
