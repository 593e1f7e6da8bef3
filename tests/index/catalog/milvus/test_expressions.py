"""Expressions hold numbers and checked names, and no text of a user."""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np
import pytest

from clr_search.index import Filter
from clr_search.index.catalog.milvus import expressions
from clr_search.index.catalog.remote.protocol import Wanted

NONE = np.empty(0, np.int64)


@pytest.mark.parametrize("label", ['" or id > 0 or "', "a' or 1", "}{", "\\", "ü", "\udcff"])
def test_no_text_of_a_user_is_in_an_expression(label: str) -> None:
    (expression,) = expressions.of(Wanted(Filter(label=label, min_side=3), np.array([1]), NONE))
    assert re.fullmatch(r"label == \d+ and side >= 3", expression)


@pytest.mark.parametrize(
    "where",
    [{"glob": "*.jpg"}, {"under": "a"}, {"after": datetime(2024, 1, 1)}, {"where": "width > 3"}],
)
def test_what_milvus_cannot_check_is_given_as_ids(where: dict[str, object]) -> None:
    allowed = np.arange(2 * expressions.LISTED + 5)
    parts = list(expressions.of(Wanted(Filter(**where), allowed, NONE)))  # type: ignore[arg-type]
    assert len(parts) == 3
    assert parts[2] == f"id in [{','.join(map(str, allowed[-5:]))}]"


def test_the_same_letters_in_another_form_are_the_same_label() -> None:
    one, other = (
        list(expressions.of(Wanted(Filter(label=label), np.array([1]), NONE)))
        for label in ("rosé", "rose\u0301")
    )
    assert one == other


def test_few_that_are_left_out_are_named() -> None:
    few, many = np.arange(3), np.arange(expressions.MOST_EXCLUDED + 1)
    assert list(expressions.of(Wanted(Filter(), None, few))) == ["id not in [0,1,2]"]
    assert list(expressions.of(Wanted(Filter(), None, many))) == [""]
