"""Conditions on columns become SQL, in which every value of the user is a parameter.

Each comparison is a query of the ids whose value passes it. A picture without a value passes
nothing but ``IS NULL``, so that the ids of a negated comparison are those of the opposite one.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import store
from clr_search.index.catalog.columns.language import Condition, Group, parse
from clr_search.index.catalog.columns.literals import Literal
from clr_search.index.catalog.columns.selecting import ids_of

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}

Ids = NDArray[np.int64]
"""Ids of items, ascending."""

Sql = tuple[str, list[object]]
"""A part of a query, and its parameters."""


class Compiled:
    """A condition on the columns of a collection, as queries of its catalogue.

    Each comparison is a query by itself, and NumPy joins their ids: SQLite would make a tree of
    each for it, and take twice as long among 100,000 pictures.

    Parameters
    ----------
    catalog : Catalog
        The catalogue of the collection.
    text : str
        The condition.

    Raises
    ------
    ConditionError
        If the text is no condition on the columns of the collection.
    """

    def __init__(self, catalog: Catalog, text: str) -> None:
        self._catalog = catalog
        self._condition = parse(text, store.kinds(catalog))
        self._given = store.given_columns(catalog)
        self._items = ids_of(catalog, "SELECT id FROM items")

    def ids(self) -> Ids:
        """Return the ids of the items that meet the condition, ascending."""
        return _both(self._met(self._condition), self._items)  # the catalogue keeps rows of no item

    def _met(self, condition: Condition) -> Ids:
        """Return the ids that meet a condition; some may be of no item."""
        if isinstance(condition, Group):
            join = _both if condition.word == "AND" else np.union1d
            return reduce(join, map(self._met, condition.parts))
        source, expression, values = self._source(condition.column)
        if condition.operator == "IS NULL":
            there = ids_of(self._catalog, f"SELECT {source} AND {expression} IS NOT NULL", *values)
            if condition.negated:
                return there
            return np.setdiff1d(self._items, there, assume_unique=True)
        word = " AND " if condition.negated else " OR "
        literals = condition.literals
        tests = [_test(expression, condition.operator, one, condition.negated) for one in literals]
        sql = f"SELECT {source} AND ({word.join(test for test, _ in tests)})"
        return ids_of(self._catalog, sql, *values, *(one for _, more in tests for one in more))

    def _source(self, column: str) -> tuple[str, str, list[object]]:
        """Return what follows SELECT up to a condition, the SQL of the value, and parameters."""
        if column in self._given:  # none of them is called as those of items
            return "item AS id FROM cells WHERE column_id = ?", "value", [self._given[column][0]]
        if column in store.OF_ITEMS:
            return "id FROM items WHERE 1", store.OF_ITEMS[column][1], []
        if not store.are_there(self._catalog):  # nothing is known in one of an older release
            return "id FROM items WHERE 0", "NULL", []
        return "item AS id FROM exif WHERE 1", column, []


def _both(some: Ids, others: Ids) -> Ids:
    """Return the ids that are in both arrays."""
    return np.intersect1d(some, others, assume_unique=True)


def _test(expression: str, operator: str, literal: Literal, negated: bool) -> Sql:
    """Return the test of one value against one literal."""
    if operator in ("LIKE", "GLOB"):
        return f"{expression} {'NOT ' if negated else ''}{operator} ?", [literal.value]
    operator = "=" if operator == "IN" else operator
    operator = _OPPOSITE[operator] if negated else operator
    if literal.end is None:
        return f"{expression} {operator} ?", [literal.value]
    begin, end = literal.value, literal.end
    tests: dict[str, Sql] = {
        "=": (f"({expression} >= ? AND {expression} < ?)", [begin, end]),
        "!=": (f"({expression} < ? OR {expression} >= ?)", [begin, end]),
        "<": (f"{expression} < ?", [begin]),
        "<=": (f"{expression} < ?", [end]),
        ">": (f"{expression} >= ?", [end]),
        ">=": (f"{expression} >= ?", [begin]),
    }
    return tests[operator]
