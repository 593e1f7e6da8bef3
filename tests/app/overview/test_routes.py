"""The map as bytes, and who gets them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.testclient import TestClient

from clr_search.app.library.library import Library
from clr_search.app.library.uploads import Uploads
from clr_search.app.overview.overview import Overview
from clr_search.app.routes.map import maps, packed, placed
from clr_search.index import Index


@pytest.fixture(scope="module")
def client(overview: Overview) -> TestClient:
    app = FastAPI()
    app.include_router(maps(overview), prefix="/clr")
    return TestClient(app)


def unpacked(answer: httpx.Response) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int.from_bytes(answer.content[:4], "little")
    assert (4 + length) % 8 == 0
    header = json.loads(answer.content[4 : 4 + length])
    return header, np.frombuffer(answer.content, np.uint8, offset=4 + length)


def test_places(client: TestClient, overview: Overview) -> None:
    header, data = unpacked(client.get("/clr/map/places"))
    chart = overview.chart.progress().result
    assert chart is not None
    assert header == {"token": chart.token, "count": 36, "ids": "uint32"}
    np.testing.assert_array_equal(data[:144].view(np.uint32), chart.ids)
    places = data[144:288].view(np.uint16).reshape(36, 2) / 65535
    np.testing.assert_allclose(places, chart.places, atol=1e-5)


def test_ids_beyond_32_bits_stay_whole(overview: Overview) -> None:
    from dataclasses import replace

    chart = overview.chart.progress().result
    assert chart is not None
    data = placed(replace(chart, ids=chart.ids + 2**40))
    begin = 4 + int.from_bytes(data[:4], "little")
    assert json.loads(data[4:begin])["ids"] == "float64"
    ids = np.frombuffer(data, np.float64, 36, begin)
    np.testing.assert_array_equal(ids.astype(np.int64), chart.ids + 2**40)


def test_arrays_begin_where_a_browser_can_read_them() -> None:
    data = packed({"a": "é"}, np.arange(3, dtype=np.uint8), np.array([258], np.uint16))
    assert len(data) % 8 == 0
    assert data[-8:-6] == b"\x02\x01"


@pytest.mark.parametrize("by", ["label", "folder"])
def test_classes(client: TestClient, overview: Overview, by: str) -> None:
    header, codes = unpacked(client.get(f"/clr/map/{by}"))
    assert sorted(header["names"]) == ["blue", "green", "red"]
    assert header["counts"] == [12, 12, 12]
    chart = overview.chart.progress().result
    assert chart is not None
    rows = overview.library.rows(chart.ids.tolist())
    assert [header["names"][code] for code in codes[:36]] == [row["label"] for row in rows]


def test_groups(client: TestClient, overview: Overview) -> None:
    header, codes = unpacked(client.get("/clr/map/group?groups=3"))
    grouped = overview.groupings.progress(3).result
    chart = overview.chart.progress().result
    assert grouped is not None
    assert chart is not None
    for number, group in enumerate(grouped.groups):
        assert set(chart.ids[codes[:36] == number]) == set(group.ids)
    assert header["counts"] == [len(group.ids) for group in grouped.groups]


def test_likeness_to_a_query(client: TestClient, overview: Overview) -> None:
    chart = overview.chart.progress().result
    assert chart is not None
    wanted = int(chart.ids[5])
    search = json.dumps({"terms": [{"id": wanted, "weight": 1}]})
    header, codes = unpacked(client.get("/clr/map/score", params={"search": search}))
    assert codes[5] == codes[:36].max() == 254
    assert header["high"] == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("score", 422, "There is no query"),
        ("score?search={", 422, "no JSON"),
        ("score?search=[1]", 422, "none that this page sends"),
        ('score?search={"terms":[{"id":99999}]}', 404, "no longer in the collection"),
        ("group?groups=101", 422, "at most 100"),
        ("group?groups=-1", 422, "at most 100"),
        ("group?groups=9", 404, "not ready yet"),
    ],
)
def test_what_cannot_be_answered_is_said(
    client: TestClient, path: str, status: int, words: str
) -> None:
    answer = client.get(f"/clr/map/{path}")
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


def test_a_map_that_is_not_ready_is_begun(collection: Path, tmp_path: Path) -> None:
    with Index.open(collection) as index:
        library = Library(index, Uploads(tmp_path))
        app = FastAPI()
        app.include_router(maps(Overview(library)), prefix="/clr")
        client = TestClient(app)
        assert client.get("/clr/map/places").status_code == 404
        for _ in range(500):
            if client.get("/clr/map/places").status_code == 200:
                break
            time.sleep(0.02)
        assert client.get("/clr/map/label").status_code == 200
        library.close()
