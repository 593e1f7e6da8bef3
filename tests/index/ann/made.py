"""Structures over a few thousand vectors, made for the tests of this folder."""

from __future__ import annotations

import numpy as np

from clr_search.index.ann.base import Ann
from clr_search.index.ann.choosing.tuning import Built, build
from clr_search.index.ann.goal import Goal
from clr_search.index.ann.mapped_vectors import MappedVectors
from clr_search.index.ann.structures import GRAPH, Structure, load
from clr_search.index.catalog.vectors import scale_of
from tests.index.made import Vectors, clustered

ROWS = clustered(4000, 24)
IDS = np.arange(len(ROWS), dtype=np.int64) * 3 + 7


def kept(rows: Vectors = ROWS) -> MappedVectors:
    values = rows.astype(np.float16)
    return MappedVectors(IDS[: len(rows)], scale_of(values), values)


def made(
    rows: Vectors = ROWS,
    cells: int = 64,
    seed: int = 0,
    kind: str = "SQ8",
    goal: Goal | None = None,
) -> Built:
    return build(kept(rows), Structure(cells, kind), goal or Goal(), seed=seed)


def loaded(built: Built, rows: Vectors = ROWS) -> Ann:
    return load(built.data, kept(rows), built.probes, built.width)


def linked(rows: Vectors = ROWS, goal: Goal | None = None) -> Built:
    """The last tenth of the rows are new queries to it while it is tuned."""
    return build(kept(rows), Structure(0, GRAPH), goal or Goal())
