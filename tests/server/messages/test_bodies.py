"""Bodies that would become many times as large when they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from http import HTTPStatus

import pytest

from clr_search.server.messages.bodies import MOST_VALUES, parsed
from clr_search.server.messages.schemas import ImagesIn, Input, SearchIn
from clr_search.web.problems import Problem

MEASURED = """
import resource
from clr_search.server.messages.bodies import parsed
from clr_search.web.problems import Problem
from clr_search.server.messages.openai import EmbeddingsIn
from clr_search.server.messages.schemas import ImagesIn, SearchIn

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def refused(body):
    try:
        parsed({model}, body)
    except Problem:
        return
    raise AssertionError("accepted")

refused(b"no JSON")  # what a first call needs is not counted
before = peak()
refused({body})
print((peak() - before) / 1024)
"""


def refusal(model: type[Input], body: object) -> Problem:
    with pytest.raises(Problem) as caught:
        parsed(model, json.dumps(body).encode())
    return caught.value


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        (ImagesIn, {"images": [1] * 70_000}, "images: List should have at most"),
        (SearchIn, {"like": [{}] * 70_000}, "like: List should have at most"),
        (SearchIn, {"unlike": [-1] * 70_000}, "unlike: List should have at most"),
        (SearchIn, {"vector": ["x"] * 70_000}, "vector: List should have at most"),
        (SearchIn, {"ids": ["x"] * 1001}, "ids: List should have at most"),
        (SearchIn, {"filter": {"ids": ["x"] * 100_001}}, "filter.ids: List should have at most"),
    ],
)
def test_a_list_that_is_too_long_is_one_thing_that_is_wrong(
    model: type[Input], body: object, said: str
) -> None:
    problem = refusal(model, body)
    assert problem.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert problem.detail.startswith(said)
    assert ";" not in problem.detail


def test_of_many_things_that_are_wrong_the_first_are_told_and_of_very_many_the_number() -> None:
    some = refusal(SearchIn, {f"key{number}": 1 for number in range(100)})
    assert some.detail.startswith("key0: there is no such field; key1: ")
    assert some.detail.endswith("; 97 more")
    many = refusal(SearchIn, {f"key{number}": 1 for number in range(2000)})
    assert many.detail == "2,000 parts of the request are wrong."
    assert "/openapi.json" in many.remedy


@pytest.mark.parametrize(
    "body", [[1] * MOST_VALUES, [[]] * (MOST_VALUES // 2), {"a": [{}] * (MOST_VALUES // 2)}]
)
def test_more_values_than_any_request_needs_are_too_much(body: object) -> None:
    problem = refusal(SearchIn, {"filter": body})
    assert problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "more than 262,144 values" in problem.detail


@pytest.mark.parametrize(
    "body",
    [
        {f"key{number}": 1 for number in range(40_000)},
        {"filter": {"any": [{"label": "a"}] * 40_000}},
    ],
)
def test_more_names_than_any_request_needs_are_too_much(body: object) -> None:
    """Each name that is not known is an error, which takes a hundred times as long as a number."""
    problem = refusal(SearchIn, body)
    assert problem.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "more than 32,768 names" in problem.detail


def test_texts_of_colons_are_no_names() -> None:
    texts = dict.fromkeys(("under", "label", "glob", "where"), ":" * 4096)
    assert parsed(SearchIn, json.dumps({"ids": [1], "filter": texts}).encode()).filter is not None


def test_the_largest_lists_together_are_read() -> None:
    body = {"vector": [0.5] * 65_536, "filter": {"ids": list(range(100_000))}}
    asked = parsed(SearchIn, json.dumps(body).encode())
    assert asked.vector is not None
    assert len(asked.vector) == 65_536


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("ImagesIn", """b'{"images":[' + b'1,' * 2**20 + b'1]}'"""),
        ("EmbeddingsIn", """b'{"input":[' + b'1,' * 2**20 + b'1]}'"""),
        ("EmbeddingsIn", """b'{"input":[' + b'{},' * (2**17 - 9) + b'{}]}'"""),
        ("EmbeddingsIn", """b'{"input":[' + b'{"x":1},' * 2**15 + b'{}]}'"""),
        ("SearchIn", """b'{"like":[' + b'{},' * 2**20 + b'{}]}'"""),
        (
            "SearchIn",
            """b'{"filter":' + b'[[],' * 150 + b'[],' * 2**20 + b'[]' + b']' * 150 + b'}'""",
        ),
        ("SearchIn", """b'{' + b','.join(b'"%x":1' % n for n in range(2**18 - 9)) + b'}'"""),
        ("SearchIn", """b'{"like":[' + b'{},' * (2**17 - 9) + b'{}]}'"""),
    ],
)
def test_what_is_refused_takes_little_memory(model: str, body: str) -> None:
    program = MEASURED.format(model=model, body=body)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 100  # MB; hundreds to thousands where each value has its error
