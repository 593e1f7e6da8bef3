r"""What stands in the rows on Milvus: values of SQLite as ASCII JSON, and ids made of hashes.

Paths and labels that are no valid UTF-8 are bytes in the catalogue, which neither Milvus nor JSON
takes: they are written as ``{"x": "…"}`` in hexadecimal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clr_search.errors import ClrSearchError
from clr_search.index.catalog.milvus.schema import LONGEST

Cell = str | bytes | int | float | None
"""A value as SQLite stores it."""

IDS = 2**53
"""Ids lie below it, so that JavaScript, which has float64 only, can hold them."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the catalogue whose rows are kept on the server, one by one.

    Attributes
    ----------
    name : str
        Name of the table.
    key : tuple of str
        Columns that tell its rows apart; one or two.
    columns : tuple of str
        All columns.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


TABLES = (
    Table("meta", ("key",), ("key", "value")),
    Table("roots", ("id",), ("id", "path", "given")),
    Table("skipped", ("path",), ("path", "size", "mtime_ns", "reason")),
    Table("columns", ("id",), ("id", "name", "kind")),
    Table("notes", ("sha256",), ("sha256", "notes")),
    Table("dismissed", ("one", "other"), ("one", "other", "dismissed_at")),
)
"""The tables beside the items, of which EXIF and cells are a part of their items' rows."""

ITEM = "root_id path size mtime_ns sha256 width height label revision added_at checksum".split()
"""Columns of an item that its row has, in order; EXIF and cells follow."""

EXIF = ("taken", "camera", "latitude", "longitude")


def number_of(*parts: Cell) -> int:
    """Returns a number in [0, 2⁵³) made of the SHA-256 of values.

    Examples
    --------
    >>> number_of("", "/photos/a.jpg"), number_of("", "/photos/a.jpg") < IDS
    (3851353794922250, True)
    """
    digest = hashlib.sha256(json.dumps([packed(part) for part in parts]).encode()).digest()
    return int.from_bytes(digest[:8], "big") % IDS


def packed(value: Cell) -> Any:
    """Returns a value as JSON can hold it.

    Examples
    --------
    >>> packed("a"), packed(bytes([255]))
    ('a', {'x': 'ff'})
    """
    return {"x": value.hex()} if isinstance(value, bytes) else value


def unpacked(value: Any) -> Cell:
    r"""Returns the value that `packed` has taken.

    Examples
    --------
    >>> unpacked({"x": "ff"})
    b'\xff'
    """
    return bytes.fromhex(value["x"]) if isinstance(value, dict) else value


def written(values: Sequence[Any], what: str) -> str:
    """Returns values as the text of a row.

    Raises
    ------
    ClrSearchError
        If it is longer than a field of Milvus may be.
    """
    text = json.dumps(values, separators=(",", ":"))
    if len(text) > LONGEST:
        raise ClrSearchError(
            f"What is known of {what} takes {len(text):,} bytes; Milvus keeps up to {LONGEST:,}.",
            "Leave out columns with long texts.",
        )
    return text


def read(text: str, where: str) -> list[Any]:
    """Returns the values of the text of a row.

    Raises
    ------
    ClrSearchError
        If it is no list in JSON: the row is damaged, or not of clr-search.
    """
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, list):
        raise ClrSearchError(
            f"{where} is damaged: a row is {text[:60]!r}.",
            "Restore it from a backup, or build it anew.",
        )
    return values


def label_number(label: Cell) -> int:
    """Returns the number by which filters compare a label; -1 for none.

    Examples
    --------
    >>> label_number(None), label_number("rose") == label_number("rose")
    (-1, True)
    """
    return -1 if label is None else number_of("label", label)
