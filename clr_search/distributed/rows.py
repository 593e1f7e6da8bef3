"""Results of embedding as columns of plain values, which Arrow and Parquet hold, and back."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.errors import ClrSearchError
from clr_search.files.stores.address import located
from clr_search.images import Note
from clr_search.images.metadata.exif import Exif
from clr_search.index.catalog.records import countable
from clr_search.serve.pipeline import Embedded, Skipped

TEXTS = ("sha256", "reason", "notes", "exif")
NUMBERS = ("size", "mtime_ns", "width", "height")
COLUMNS = ("path", *NUMBERS, *TEXTS, "vector")
"""All columns: paths are bytes, since a file name need not be text; vectors are float32 (n, D)."""

_NO_VECTOR = np.float32(0)


def columns_of(results: Sequence[Embedded | Skipped], dimension: int) -> dict[str, Any]:
    """Return results as columns; one that was skipped has a reason, and a vector of zeros.

    Parameters
    ----------
    results : sequence of Embedded or Skipped
        n results.
    dimension : int
        D, the length of a vector.

    Returns
    -------
    dict of str to array
        `COLUMNS`, each of length n.
    """
    vectors = np.zeros((len(results), dimension), np.float32)
    rows: list[dict[str, Any]] = []
    for position, result in enumerate(results):
        row: dict[str, Any] = {
            "path": os.fsencode(str(result.path)),
            "size": result.size,
            "mtime_ns": countable(result.mtime_ns),
            "width": 0,
            "height": 0,
            "sha256": "",
            "reason": "",
            "notes": "",
            "exif": "",
        }
        if isinstance(result, Skipped):
            row["reason"] = result.reason.encode("utf-8", "backslashreplace").decode() or "skipped"
        else:
            vectors[position] = result.vector
            row |= {"width": result.width, "height": result.height, "sha256": result.sha256}
            row["notes"] = json.dumps([[n.kind, n.what] for n in result.notes])
            row["exif"] = _written(result.exif)
        rows.append(row)
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in rows], np.int64) for name in NUMBERS
    }
    columns |= {name: [row[name] for row in rows] for name in ("path", *TEXTS)}
    return columns | {"vector": vectors}


def columns_of_failure(error: ClrSearchError, dimension: int) -> dict[str, Any]:
    """Return an error that ends the run as columns, of one row without a path.

    It travels as data: Ray would do the same part again and again, and return a traceback.
    """
    told = json.dumps([error.what, error.remedy])
    return columns_of([Skipped(Path(), 0, 0, told)], dimension) | {"path": [b""]}


def failure_in(columns: Mapping[str, Any]) -> ClrSearchError | None:
    """Return the error that `columns_of_failure` has made columns of; None for results."""
    if len(columns["path"]) != 1 or bytes(columns["path"][0]):
        return None
    what, remedy = json.loads(str(columns["reason"][0]))
    return ClrSearchError(f"{what.rstrip('.')}.", remedy)


def results_of(columns: Mapping[str, Any]) -> list[Embedded | Skipped]:
    """Return the results that `columns_of` has made columns of.

    Raises
    ------
    ValueError, KeyError, TypeError
        If they are not such columns.
    """
    vectors: NDArray[np.float32] = np.asarray(columns["vector"], np.float32)
    results: list[Embedded | Skipped] = []
    for at, (path, size, mtime_ns) in enumerate(
        zip(columns["path"], columns["size"], columns["mtime_ns"], strict=True)
    ):
        file = (located(os.fsdecode(bytes(path))), int(size), int(mtime_ns))
        reason = str(columns["reason"][at])
        if reason:
            results.append(Skipped(*file, reason))
            continue
        notes = tuple(Note(kind, what) for kind, what in json.loads(columns["notes"][at]))
        results.append(
            Embedded(
                *file,
                str(columns["sha256"][at]),
                int(columns["width"][at]),
                int(columns["height"][at]),
                vectors[at],
                notes,
                _read(str(columns["exif"][at])),
            )
        )
    return results


def _written(exif: Exif | None) -> str:
    """Return what a camera wrote, as text; empty where nobody has looked."""
    if exif is None:
        return ""
    taken = None if exif.taken is None else exif.taken.isoformat()
    return json.dumps([taken, exif.camera, exif.latitude, exif.longitude])


def _read(text: str) -> Exif | None:
    """Return what `_written` has written."""
    if not text:
        return None
    taken, camera, latitude, longitude = json.loads(text)
    places = [n for n in (latitude, longitude) if n is not None]
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in places):
        raise ValueError("a place is no number")
    return Exif(
        None if taken is None else datetime.fromisoformat(taken), camera, *(latitude, longitude)
    )
