"""Paths that lead to nothing are marked in answers."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from clr_search.index import Index, Item, Matches
from clr_search.server.client import Client
from clr_search.server.routes import Service
from clr_search.web import presence
from tests.server.conftest import serving


@pytest.fixture
def photos(pictures: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pictures / "red", tmp_path / "photos"))


@pytest.fixture
def http(photos: Path, tiny_encoder: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    with Index.create(tmp_path / "photos.clr", tiny_encoder) as index:
        index.update([photos])
        with serving(Service(index)) as url, httpx.Client(base_url=url, timeout=30) as client:
            yield client


def test_files_that_are_gone_are_marked(http: httpx.Client, photos: Path) -> None:
    def marks() -> dict[int, bool]:
        results = http.post("/v1/search", json={"ids": [1], "k": 20}).json()["results"]
        return {result["id"]: result["missing"] for result in results}

    assert set(marks().values()) == {False}
    assert http.get("/v1/items/3").json()["missing"] is False
    gone = Path(http.get("/v1/items/3").json()["path"])
    gone.rename(photos / "renamed")
    assert {number for number, missing in marks().items() if missing} == {3}
    assert http.get("/v1/items/3").json()["missing"] is True
    with Client(str(http.base_url)) as client:
        assert [m.id for m in client.search(1, k=20) if m.missing] == [3]
        assert client.item(3)["missing"] is True


def test_a_drive_that_does_not_answer_stops_nothing(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, released = threading.Event(), threading.Event()

    def hanging(self: Matches) -> Matches:
        stuck.set()
        released.wait(60)
        return self

    monkeypatch.setattr(Matches, "with_missing", hanging)
    monkeypatch.setattr(presence, "_PATIENCE", 0.05)
    try:
        for _ in range(3):
            results = http.post("/v1/search", json={"ids": [1], "k": 3}).json()["results"]
            assert [result["missing"] for result in results] == [None] * 3
        assert stuck.is_set()
        assert http.get("/v1/items/1").json()["missing"] is None
        assert http.get("/v1/items/1/thumbnail").status_code == 200
    finally:
        released.set()
    monkeypatch.undo()
    monkeypatch.setattr(Item, "is_missing", lambda self: True)
    assert http.get("/v1/items/1").json()["missing"] is True
