"""What is true of a collection as a whole, as the table ``meta`` keeps it, one fact a row.

The keys and the values on disk are those of all releases. What FAISS has to reach, and what it has
reached, is JSON that `ann` writes and reads: here it is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clr_search.errors import ClrSearchError, UsageError

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

_MOST_VALUES = 65_536  # of an embedding; whatever says more is damage


@dataclass(frozen=True, slots=True)
class CollectionFacts:
    """A collection as a whole, at one revision.

    Attributes
    ----------
    revision : int
        Raised by every change; 0 before the first.
    encoder_sha256, encoder_name : str
        The encoder that all embeddings are of.
    dimension : int
        D, length of an embedding.
    rebuild_sha256 : str or None
        The encoder of a rebuild that is under way.
    goal : str or None
        What the search structure has to reach, as JSON; None where nobody has said.
    generation : str or None
        The FAISS generation in use, as JSON; None where search is exact.
    last_generation : int
        Number of the last generation that was published, retired or not; 0 before the first.
    latency_ms, latency_p99_ms : float or None
        Measured time of a search: the median, and what one in a hundred exceeds.
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


def facts_of(folder: Path, kept: Mapping[str, object]) -> CollectionFacts:
    """The rows of ``meta``, checked.

    Parameters
    ----------
    folder : Path
        The collection, for messages.
    kept : mapping of str to object
        All rows.

    Raises
    ------
    UsageError
        If there is no encoder yet: the making of the collection was cut short.
    ClrSearchError
        If a value cannot be what it stands for.
    """
    found = _Kept(folder, kept)
    sha256 = found.text(ENCODER_SHA256)
    if sha256 is None:
        raise UsageError(
            f"The making of {folder} was cut short.",
            "Make one with: clr-search build-index IMAGES --index COLLECTION",
        )
    return CollectionFacts(
        revision=found.count(REVISION),
        encoder_sha256=sha256,
        encoder_name=found.text(ENCODER_NAME) or "",
        dimension=found.dimension(),
        rebuild_sha256=found.text(REBUILD_SHA256),
        goal=found.text(GOAL),
        generation=found.text(GENERATION),
        last_generation=found.count(LAST_GENERATION),
        latency_ms=found.number(LATENCY),
        latency_p99_ms=found.number(LATENCY_P99),
    )


def count_of(folder: Path, key: str, value: object) -> int:
    """A whole number that counts something, 0 where it is not set.

    Raises
    ------
    ClrSearchError
        If it is none.
    """
    if value is None:
        return 0
    if not isinstance(value, int) or value < 0:
        raise damaged(folder, f"its {key} is {value!r}")
    return value


def damaged(folder: Path, what: str) -> ClrSearchError:
    """The error for a value that only damage can have left."""
    return ClrSearchError(
        f"The catalogue of {folder} is damaged: {what}.",
        "Restore it from a backup, or delete it and build it anew: clr-search build-index",
    )


class _Kept:
    """The rows of ``meta``, by the type that each has to be of."""

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
        if not isinstance(value, int) or not 0 < value <= _MOST_VALUES:
            raise damaged(self._folder, f"its embeddings have length {value!r}")
        return value
