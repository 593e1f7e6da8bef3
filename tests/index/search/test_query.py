"""What may be asked, and what the keywords of a search stand for."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clr_search.errors import UsageError
from clr_search.index import Filter, Query
from clr_search.index.search.query import SearchOptions


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "none is given"),
        ({"ids": [1], "picture": "a.jpg"}, "not by several at once"),
        ({"vectors": np.ones(3), "ids": (1,)}, "not by several at once"),
        ({"ids": (1,), "k": 0}, "k is 0"),
        ({"ids": (1,), "diversity": 1.5}, "diverse is 1.5"),
        ({"ids": (1,), "diversity": float("nan")}, "diverse is nan"),
        ({"ids": (1,), "crop": (0, 0, 1, 1)}, "A crop is of a picture"),
        ({"ids": (1,), "min_score": 1.01}, "least score is 1.01"),
        ({"ids": (1,), "min_percentile": -1}, "least percentile is -1"),
        ({"ids": (1,), "min_percentile": float("nan")}, "least percentile is nan"),
    ],
)
def test_what_cannot_be_asked_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Query(**given)


def test_the_keywords_of_a_search_are_fields_of_the_query() -> None:
    query = Query.by(
        Path("a.jpg"), 7, like=[3], under="roses", where={"label": "red"}, diverse=0.25
    )
    assert query.picture == Path("a.jpg")
    assert (query.k, query.like, query.diversity) == (7, [3], 0.25)
    assert query.filter == Filter(under="roses", label="red")
    assert query.refined(label="red", min_score=0.5).min_score == 0.5


def test_two_values_of_one_condition_are_refused() -> None:
    with pytest.raises(UsageError, match="Two values of label"):
        Query.by("a.jpg", where=Filter(label="red"), label="blue")
    with pytest.raises(UsageError, match="colour is no condition of a filter"):
        Query.by("a.jpg", where={"colour": "red"})


def test_every_option_is_a_field_of_the_query() -> None:
    """`under`, `label` and `where` make the filter, `diverse` the diversity."""
    names = {field.name for field in fields(Query)}
    options = set(SearchOptions.__annotations__)
    assert options - names == {"under", "label", "where", "diverse"}
    subject = {"picture", "ids", "vectors", "k", "exclude"}
    assert names - options - subject == {"filter", "diversity"}
