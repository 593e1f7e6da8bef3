"""What a browser may send is checked value by value."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clr_search.app.functions.carried import FAILED, carried
from clr_search.app.library.asked import MOST_TERMS, Asked, Search
from clr_search.errors import UsageError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
NAMES = ["terms", "label", "under", "where", "after", "before", "least", "diverse", "sort"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*NAMES, "other"]), JSON))
def test_any_message_is_a_search_or_an_error_in_words(message: dict[str, Any]) -> None:
    searches = []

    def search(asked: Asked) -> dict[str, Any]:
        searches.append(Search.of(asked))
        return {}

    answer = json.loads(carried(search)(message).body)
    if "ok" in answer:
        assert 0 <= searches[0].least <= 100
        assert hash(searches[0]) == hash(Search.of(Asked(message)))
    else:
        assert answer["error"]["what"] != FAILED["what"]


@pytest.mark.parametrize("given", [None, 7, "x", [], True, math.nan])
def test_a_message_that_is_no_object(given: object) -> None:
    with pytest.raises(UsageError):
        Asked(given)


READS: list[tuple[Callable[[Asked], object], object]] = [
    (lambda asked: asked.item("x"), value) for value in (-1, True, 1.5, "1", None, 2**60)
]
READS += [(lambda asked: asked.number("x", 0, 1, 0), value) for value in (2, -1, "a", True, 1e999)]
READS += [(lambda asked: asked.count("x", 0, 9, 0), value) for value in (0.5, 10, "1")]
READS += [(lambda asked: asked.token("x"), value) for value in ("short", "a/../../etc/passwd", 7)]
READS += [
    (lambda asked: asked.crop("x"), value)
    for value in ([0, 0, 1], [0, 0, 0, 1], [0.6, 0, 0.5, 1], [True, 0, 1, 1], ["a", 0, 1, 1], 7)
]
READS += [(lambda asked: asked.items("x"), value) for value in ([-1], [1.5], ["1"], "12", [[1]])]
READS += [(lambda asked: asked.day("x"), value) for value in ("2024-13-01", "yesterday", 7)]
READS += [(lambda asked: asked.text("x"), value) for value in (7, "a" * 5000, ["a"])]
READS += [(lambda asked: asked.choice("x", ["a", "b"]), value) for value in ("c", 7, ["a"])]


@pytest.mark.parametrize(("read", "value"), READS)
def test_values_of_another_kind_are_refused(read: Callable[[Asked], object], value: object) -> None:
    with pytest.raises(UsageError):
        read(Asked({"x": value}))


def test_many_terms_are_refused() -> None:
    with pytest.raises(UsageError):
        Search.of(Asked({"terms": [{"id": 1}] * (MOST_TERMS + 1)}))


def test_the_last_digit_of_a_crop_may_be_rounded() -> None:
    assert Asked({"crop": [1 / 3, 0, 0.66666700001, 1]}).crop() == (
        1 / 3,
        0,
        pytest.approx(2 / 3),
        1,
    )


def test_a_failure_is_an_answer_and_its_reason_stays_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(asked: Asked) -> dict[str, Any]:
        raise RuntimeError("secret")

    answer = json.loads(carried(fail)({}).body)
    assert "secret" not in str(answer)
    assert "its log says" in answer["error"]["what"]
    assert "secret" in caplog.text
