"""Conditions on columns, and their values, over HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from clr_search.index import Index
from clr_search.server.client import Client, ServiceError
from clr_search.server.routes import Service
from tests.server.conftest import serving


@pytest.fixture(scope="module")
def http(
    pictures: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("columns")
    photos = shutil.copytree(pictures / "red", folder / "photos")
    with Index.create(folder / "photos.clr", tiny_encoder) as index:
        index.update([photos])
        ids = index.ids()
        index.give_columns({"rating": {n: n for n in ids}, "note": {ids[1]: 'it\'s, "so"'}})
        with serving(Service(index)) as url, httpx.Client(base_url=url, timeout=30) as client:
            yield client


def search(http: httpx.Client, **asked: Any) -> list[dict[str, Any]]:
    answer = http.post("/v1/search", json={"ids": [1], "k": 36} | asked)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("rating >= 11", {11, 12}),
        ("RATING IN (3, 5) OR note IS NOT NULL", {2, 3, 5}),
        ("note = 'it''s, \"so\"'", {2}),
        ("NOT rating < 12 AND width > 1", {12}),
        ("path GLOB '*0*' AND rating = 4 AND taken IS NULL", {4}),
    ],
)
def test_results_meet_a_condition(http: httpx.Client, where: str, expected: set[int]) -> None:
    assert {r["id"] for r in search(http, filter={"where": where})} == expected
    form = {"ids": "[1]", "k": "36", "filter": json.dumps({"where": where})}
    parts = {name: (None, value) for name, value in form.items()}
    answer = http.post("/v1/search", files=parts)
    assert {r["id"] for r in answer.json()["results"]} == expected
    with Client(str(http.base_url)) as client:
        assert set(client.search(1, k=36, where=where).ids.tolist()) == expected


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ("ratng > 3", "there is no column ratng"),
        ("rating >", "it ends where a value is expected"),
        ("rating = 1; DROP TABLE items", "';' has no meaning here"),
        ("rating = 'high'", "rating is a number"),
        ("note = 'x", "a text has no end"),
        ("(" * 500 + "rating = 1" + ")" * 500, "it is nested 32 deep"),
        ("rating = 1 OR " * 290 + "rating = 2", "more than 200 values"),
        ("x" * 5000, "at most 4096"),
        (17, "valid string"),
    ],
)
def test_a_wrong_condition_is_refused_with_the_place(
    http: httpx.Client, where: object, complaint: str
) -> None:
    answer = http.post("/v1/search", json={"ids": [1], "filter": {"where": where}})
    assert answer.status_code == 422, answer.text
    assert complaint in answer.json()["detail"]
    assert len(search(http)) == 11


def test_results_have_the_columns_that_are_asked_for(http: httpx.Client) -> None:
    asked = ["Rating", "note", "taken", "height"]
    row = next(r for r in search(http, columns=asked) if r["id"] == 2)
    height = http.get("/v1/items/2").json()["height"]
    assert row["columns"] == {"rating": 2, "note": 'it\'s, "so"', "taken": None, "height": height}
    assert all("columns" not in r for r in search(http))
    parts = {"ids": (None, "[1]"), "columns": (None, '["rating"]')}
    [*results] = http.post("/v1/search", files=parts).json()["results"]
    assert all(r["columns"] == {"rating": r["id"]} for r in results)
    for wrong in (["none"], ["x" * 5000], ["rating"] * 51, "rating"):
        answer = http.post("/v1/search", json={"ids": [1], "columns": wrong})
        assert answer.status_code == 422, answer.text
        assert answer.json()["remedy"]
    with Client(str(http.base_url)) as client:
        assert client.search(1, k=1, columns=["rating"])[0].columns.keys() == {"rating"}
        with pytest.raises(ServiceError, match="no column none"):
            client.search(1, columns=["none"])
