"""Rows of vectors with what belongs to them, as files of vectors hold them.

A row is an item: its path, label and vector, and further columns. Files are written and read
some thousands of rows at a time, since millions of vectors do not fit into memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Value = int | float | str
"""A value of a further column."""

KINDS: Mapping[str, type[Value]] = {"integer": int, "real": float, "text": str, "date": str}
"""Kinds of further columns, and the type of their values; dates are text."""

VECTOR_NAMES = ("vector", "vectors", "embedding", "embeddings", "emb", "features")
"""Names of a column of vectors, the most telling first; the first is the one that is written."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorRows:
    """Some rows, in the order of the file.

    Attributes
    ----------
    paths : sequence of str
        Absolute paths.
    labels : sequence of (str or None)
        Labels; None of an item without one.
    vectors : float32 array, shape (n, D)
        Unit vectors.
    columns : mapping of str to sequence of (int, float, str or None)
        The n values of each further column.
    """

    paths: Sequence[str]
    labels: Sequence[str | None]
    vectors: NDArray[np.float32]
    columns: Mapping[str, Sequence[Value | None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.paths)
