"""What an update tells."""

from __future__ import annotations

from dataclasses import astuple

from clr_search.index import UpdateReport


def test_a_report_of_nothing() -> None:
    assert astuple(UpdateReport()) == (0, 0, 0, 0, 0, (), False, (), ())
