"""Conditions as expressions of Milvus, which hold numbers and checked names only.

No text of a user is ever part of an expression: labels are compared by the number that their hash
gives. What Milvus cannot express (globs, dates with their time zones, the language of columns) is
found in the replica, and given as a list of ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clr_search.files.names import composed
from clr_search.index.catalog.filters import Filter
from clr_search.index.catalog.milvus.rows import label_number
from clr_search.index.catalog.records import countable
from clr_search.index.catalog.remote.protocol import Wanted
from clr_search.index.catalog.sqlite.database import text

LISTED = 20_000
"""The most ids in one expression: some 340 kB of text, which Milvus reads in 100 ms."""

MOST_EXCLUDED = 1000
"""Up to so many ids, those left out are named; more are taken out of a longer answer."""

_SIDES = ("side", "min_side", "max_side"), ("size", "min_bytes", "max_bytes")


def of_tenant(tenant: str) -> str:
    """Returns the condition on the tenant, whose name `address` has checked; empty for none.

    Examples
    --------
    >>> of_tenant("anna"), of_tenant("")
    ('tenant == "anna"', '')
    """
    return f'tenant == "{tenant}"' if tenant else ""


def every(*conditions: str) -> str:
    """Returns the conjunction of conditions; those that are empty are left out.

    Examples
    --------
    >>> every('tenant == "anna"', "", "side >= 3")
    'tenant == "anna" and side >= 3'
    """
    return " and ".join(condition for condition in conditions if condition)


def among(numbers: Iterable[int], field: str = "id") -> str:
    """Returns the condition that a field has one of these values.

    Examples
    --------
    >>> among([3, 4])
    'id in [3,4]'
    """
    return f"{field} in [{','.join(str(int(number)) for number in numbers)}]"


def of(wanted: Wanted) -> Iterator[str]:
    """Yields the expressions whose results together are what a search may find.

    Mostly it is one. Where the filter has conditions that Milvus cannot check, the ids are listed,
    `LISTED` in each expression.
    """
    without = ""
    if 0 < len(wanted.excluded) <= MOST_EXCLUDED:
        without = f"id not in [{','.join(map(str, wanted.excluded.tolist()))}]"
    expressed = _expressed(wanted.where)
    if wanted.allowed is None:
        yield without
    elif expressed is not None:
        yield every(expressed, without)
    else:
        allowed: NDArray[np.int64] = wanted.allowed
        for start in range(0, len(allowed), LISTED):
            yield every(among(allowed[start : start + LISTED].tolist()), without)


def _expressed(where: Filter) -> str | None:
    """Returns a filter as an expression; None where Milvus cannot check all of it."""
    if replace(where, label=None, min_side=None, max_side=None, min_bytes=None, max_bytes=None):
        return None
    conditions = []
    if where.label is not None:
        conditions.append(f"label == {label_number(text(composed(where.label)))}")
    for field, least, most in _SIDES:
        for name, comparison in ((least, ">="), (most, "<=")):
            value = getattr(where, name)
            if value is not None:
                conditions.append(f"{field} {comparison} {countable(value)}")
    return every(*conditions)


def joined(
    parts: Sequence[Sequence[Sequence[Mapping[str, Any]]]], most: int, excluded: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns ids and cosines, shape (Q, most), of the answers to several expressions.

    Parameters
    ----------
    parts : sequence
        For each expression, for each of Q queries, its hits: mappings with id and distance.
    most : int
        The most neighbours of a query.
    excluded : int64 array
        Ids that no expression has left out.

    Examples
    --------
    >>> hits = [[{"id": 7, "distance": 0.5}]], [[{"id": 4, "distance": 0.75}]]
    >>> joined(hits, 2, np.empty(0, np.int64))[0]
    array([[4, 7]])
    """
    ids = np.full((len(parts[0]), most * len(parts)), -1)
    scores = np.full(ids.shape, -np.inf, np.float32)
    for part, answers in enumerate(parts):
        for row, hits in enumerate(answers):
            columns = slice(part * most, part * most + len(hits))
            ids[row, columns] = [hit["id"] for hit in hits]
            scores[row, columns] = [hit["distance"] for hit in hits]
    if len(excluded):
        left_out = np.isin(ids, excluded)
        ids, scores = np.where(left_out, -1, ids), np.where(left_out, -np.inf, scores)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    row_numbers = np.arange(len(ids))[:, None]
    return ids[row_numbers, order], scores[row_numbers, order].clip(-np.inf, 1.0)
