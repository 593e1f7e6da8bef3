"""Values of columns."""

from __future__ import annotations

import pytest

from clr_search.index.catalog.columns.literals import kind_of, period_of, value_of


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2024", ("2024-01-01T00:00:00", "2025-01-01T00:00:00")),
        ("2024-02", ("2024-02-01T00:00:00", "2024-03-01T00:00:00")),
        ("2024-02-29", ("2024-02-29T00:00:00", "2024-03-01T00:00:00")),
        ("2024-02-29 23:59", ("2024-02-29T23:59:00", "2024-03-01T00:00:00")),
        ("2024-05-01T12:30:05.25", ("2024-05-01T12:30:05", "2024-05-01T12:30:06")),
        ("2023-02-29", None),
        ("2024-00", None),
        ("2024-05-00", None),
        ("9999", None),
        ("0000", None),
        ("May 2024", None),
    ],
)
def test_a_date_is_a_period(text: str, period: tuple[str, str] | None) -> None:
    assert period_of(text) == period


def test_the_narrowest_kind_is_taken() -> None:
    assert kind_of(["1", "-2"]) == "integer"
    assert kind_of(["1", "2.5", "1e3"]) == "real"
    assert kind_of(["2024-05-01", "2024-05-02 10:00"]) == "date"
    assert kind_of(["1", "n/a"]) == kind_of(["nan"]) == kind_of(["1_000"]) == "text"
    assert kind_of(["9" * 30]) == "real", "larger than an integer of SQLite"
    assert [value_of("7", "integer"), value_of("7", "text")] == [7, "7"]
    assert value_of("2024-05-01", "date") == "2024-05-01T00:00:00"
