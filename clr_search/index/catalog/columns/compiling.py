"""Conditions on columns become SQL, in which every value of the user is a parameter.

Each comparison is a query of the ids whose value passes it. A picture without a value passes
nothing but ``IS NULL``, so that the ids of a negated comparison are those of the opposite one.
"""

from __future__ import annotations

from clr_search.index.catalog.catalog import Catalog
from clr_search.index.catalog.columns import store
from clr_search.index.catalog.columns.language import Comparison, Condition, Group, parse
from clr_search.index.catalog.columns.literals import Literal

_OF_ITEMS = {
    "path": ("text", "CAST(path AS TEXT)"),
    "label": ("text", "label"),
    "width": ("integer", "width"),
    "height": ("integer", "height"),
    "bytes": ("integer", "size"),
}
"""Kind of the columns that every item has, and their SQL."""

EVERYWHERE = frozenset({*_OF_ITEMS, *store.EXIF})
"""Names of the columns of every collection, which no column of one's own may have."""

_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}

Sql = tuple[str, list[object]]
"""A query of ids, and its parameters."""


def kinds(catalog: Catalog) -> dict[str, str]:
    """Return the kind of each column that conditions may name."""
    known = {name: kind for name, (kind, _) in _OF_ITEMS.items()} | store.EXIF
    return known | {name: kind for name, (_, kind) in store.given_columns(catalog).items()}


def sql_of(catalog: Catalog, text: str) -> Sql:
    """Return the query of the ids of the items that meet a condition.

    Raises
    ------
    UsageError
        If the text is no condition on the columns of the collection.
    """
    return _compiled(catalog, parse(text, kinds(catalog)))


def _compiled(catalog: Catalog, condition: Condition) -> Sql:
    """Return the query of a condition."""
    if not isinstance(condition, Group):
        return _comparison(catalog, condition)
    word = " INTERSECT " if condition.word == "AND" else " UNION "
    queries, values = [], []
    for part in condition.parts:
        query, more = _compiled(catalog, part)
        queries.append(f"SELECT id FROM ({query})")  # noqa: S608  # holds no text of the user
        values += more
    return word.join(queries), values


def _comparison(catalog: Catalog, one: Comparison) -> Sql:
    """Return the query of a comparison."""
    source, expression, values = _source(catalog, one.column)
    if one.operator == "IS NULL":
        there = f"SELECT {source} AND {expression} IS NOT NULL"
        if one.negated:
            return there, values
        return f"SELECT id FROM items WHERE id NOT IN ({there})", values  # noqa: S608
    tests = [_test(expression, one.operator, literal, one.negated) for literal in one.literals]
    joined = (" AND " if one.negated else " OR ").join(test for test, _ in tests)
    return f"SELECT {source} AND ({joined})", values + [v for _, more in tests for v in more]


def _source(catalog: Catalog, column: str) -> tuple[str, str, list[object]]:
    """Return what follows SELECT up to a condition, the SQL of the value, and the parameters."""
    given = store.given_columns(catalog)
    if column in given:  # not all are in the table: none of them is called as those of items
        return "item AS id FROM cells WHERE column_id = ?", "value", [given[column][0]]
    if column in _OF_ITEMS:
        return "id FROM items WHERE 1", _OF_ITEMS[column][1], []
    if not store.are_there(catalog):  # nothing is known of a collection of an older release
        return "id FROM items WHERE 0", "NULL", []
    return "item AS id FROM exif WHERE 1", column, []


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
