"""Parquet files, a row group at a time, so that millions of rows need little memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def parquet_writer(path: Path, schema: Any) -> Iterator[Any]:
    """Opens a Parquet file with a pyarrow schema, and yields pyarrow's `ParquetWriter` for it.

    The path is opened here, since pyarrow takes none that is not valid text.
    """
    from pyarrow.parquet import ParquetWriter

    with path.open("wb") as file, ParquetWriter(file, schema) as writer:
        yield writer


def stored_text(text: str) -> str:
    r"""Returns a text as Parquet stores it: valid, with the bytes that are no text as escapes.

    Examples
    --------
    >>> stored_text("caf\udce9")
    'caf\\udce9'
    """
    return text.encode("utf-8", "backslashreplace").decode()
