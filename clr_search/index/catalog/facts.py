"""Facts on a collection as a whole, which the table ``meta`` keeps, one fact a row.

The keys and the values on disk are those of all releases. The goal of the FAISS index and its
generation are JSON that `ann` and `maintenance` write and read: here they are text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import ClrSearchError, UsageError
from clr_search.files.finding.selection import DEFAULT, Selection

REVISION = "revision"
ENCODER_SHA256 = "encoder_sha256"
ENCODER_NAME = "encoder_name"
DIMENSION = "dimension"
REBUILD_SHA256 = "rebuild_sha256"
GOAL = "goal"
GENERATION = "ann"
LAST_GENERATION = "last_generation"
LATENCY = "latency_ms"
LATENCY_P99 = "latency_p99_ms"
LABELS_GIVEN = "labels_given"  # where set, labels come from a table, not from folders
SELECTION = "selection"  # JSON of `files.finding.selection.Selection`: what of folders is taken
LOOKED_AT = "looked_at"  # JSON: when each folder was last looked at as a whole, in nanoseconds
HOME = "home"  # path of the collection when its roots were last known to be right
COPYING = "copying"  # set from the beginning of a copy into the collection to its end
DECODING = "decoding"
DECODING_TRIED = "decoding_tried"

_SHOWN = 200  # characters of a damage that an error shows
NO_ENCODER = ""
"""The SHA-256, and the name, of the encoder of a collection that has none."""

MOST_VALUES = 65_536
"""Longest embedding that is believed; a greater number is damage."""


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """Facts on a collection as a whole, at one revision.

    Attributes
    ----------
    revision : int
        Number of the last change; 0 before the first.
    encoder_sha256, encoder_name : str
        SHA-256 and name of the encoder that made all embeddings; both `NO_ENCODER` where the
        embeddings were made elsewhere, and no encoder has been attached yet.
    dimension : int
        D, length of an embedding.
    rebuild_sha256 : str or None
        SHA-256 of the encoder of a rebuild that is under way; None where there is none.
    goal : str or None
        The goal of the search structure, as JSON; None for the default goal.
    generation : str or None
        The FAISS generation in use, as JSON; None where search is exact.
    last_generation : int
        Number of the last generation that was published, retired or not; 0 before the first.
    latency_ms, latency_p99_ms : float or None
        Measured milliseconds of a search: the median, and the 99th percentile.
    decoding : int
        Version of `images.DECODING` that made the oldest embeddings; 1 where none is kept.
    decoding_tried : int
        The version that has tried every skipped file.
    """

    revision: int
    encoder_sha256: str
    encoder_name: str
    dimension: int
    rebuild_sha256: str | None
    goal: str | None
    generation: str | None
    last_generation: int
    latency_ms: float | None
    latency_p99_ms: float | None
    decoding: int = 1
    decoding_tried: int = 1


def facts_of(folder: Path, kept: Mapping[str, object]) -> CollectionFacts:
    """Returns the rows of ``meta`` as facts, after checking them.

    Parameters
    ----------
    folder : Path
        The collection, which error messages name.
    kept : mapping of str to object
        All rows: value by key.

    Raises
    ------
    UsageError
        If it is not known whether there is an encoder: the creation was cut short.
    ClrSearchError
        If a value has a wrong type, or is out of range: the catalogue is damaged.

    Examples
    --------
    >>> facts = facts_of(Path("flowers.clr"), {"encoder_sha256": "ab12", "dimension": 512})
    >>> facts.dimension, facts.revision
    (512, 0)
    """
    values = _Kept(folder, kept)
    sha256 = values.text(ENCODER_SHA256)
    if sha256 is None:
        raise UsageError(
            f"The making of {folder} was cut short.",
            "Make one with: clr-search build-index IMAGES --index COLLECTION",
        )
    return CollectionFacts(
        revision=values.count(REVISION),
        encoder_sha256=sha256,
        encoder_name=values.text(ENCODER_NAME) or "",
        dimension=values.dimension(),
        rebuild_sha256=values.text(REBUILD_SHA256),
        goal=values.text(GOAL),
        generation=values.text(GENERATION),
        last_generation=values.count(LAST_GENERATION),
        latency_ms=values.number(LATENCY),
        latency_p99_ms=values.number(LATENCY_P99),
        decoding=values.count(DECODING) or 1,
        decoding_tried=values.count(DECODING_TRIED) or 1,
    )


def count_of(folder: Path, key: str, value: object) -> int:
    """Returns a stored count, 0 where it is not set.

    Raises
    ------
    ClrSearchError
        If the value is no whole number, or negative.

    Examples
    --------
    >>> count_of(Path("flowers.clr"), "revision", 3)
    3
    >>> count_of(Path("flowers.clr"), "revision", None)
    0
    """
    if value is None:
        return 0
    if not isinstance(value, int) or value < 0:
        raise damaged(folder, f"its {key} is {value!r}")
    return value


def selection_of(folder: Path, value: object) -> Selection:
    """Returns the stored `SELECTION`; the default one where none is stored.

    Examples
    --------
    >>> selection_of(Path("flowers.clr"), None) == DEFAULT
    True
    """
    try:
        return DEFAULT if value is None else Selection.from_json(str(value))
    except ValueError:
        raise damaged(folder, f"its selection is {value!r}") from None


def times_of(folder: Path, value: object) -> dict[str, int]:
    """Returns the stored times of `LOOKED_AT`, by folder.

    Examples
    --------
    >>> times_of(Path("flowers.clr"), None), times_of(Path("flowers.clr"), '{"/photos": 5}')
    ({}, {'/photos': 5})
    """
    try:
        kept = json.loads(str(value)) if value is not None else {}
        return {str(one): int(time) for one, time in kept.items()}
    except (ValueError, TypeError, AttributeError):
        raise damaged(folder, f"its times are {value!r}") from None


def damaged(folder: Path, what: str) -> ClrSearchError:
    """Returns the error for a value that only damage can have left.

    Examples
    --------
    >>> damaged(Path("flowers.clr"), "its revision is 'x'").what
    "The catalogue of flowers.clr is damaged: its revision is 'x'."
    """
    return ClrSearchError(
        f"The catalogue of {folder} is damaged: {what[:_SHOWN]}.",
        "Restore it from a backup, or delete it and build it anew: clr-search build-index",
    )


class _Kept:
    """The rows of ``meta``, each read as the type that it has to have."""

    def __init__(self, folder: Path, kept: Mapping[str, object]) -> None:
        self._folder, self._kept = folder, kept

    def text(self, key: str) -> str | None:
        value = self._kept.get(key)
        if value is not None and not isinstance(value, str):
            raise damaged(self._folder, f"its {key} is {value!r}")
        return value

    def count(self, key: str) -> int:
        return count_of(self._folder, key, self._kept.get(key))

    def number(self, key: str) -> float | None:
        value = self._kept.get(key)
        if value is None:
            return None
        if not isinstance(value, int | float):
            raise damaged(self._folder, f"its {key} is {value!r}")
        return float(value)

    def dimension(self) -> int:
        value = self._kept.get(DIMENSION)
        if not isinstance(value, int) or not 0 < value <= MOST_VALUES:
            raise damaged(self._folder, f"its embeddings have length {value!r}")
        return value
