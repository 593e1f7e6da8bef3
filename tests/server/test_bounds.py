"""What a search may ask for, and that no search keeps others waiting."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from clr_search.index import Index
from clr_search.server.messages import bodies
from clr_search.server.routes import Service
from clr_search.web import presence
from tests.server.conftest import becomes_ready, serving


def searched(http: httpx.Client, **conditions: Any) -> httpx.Response:
    return http.post("/v1/search", json={"ids": [1], "filter": conditions})


@pytest.mark.parametrize("name", ["under", "label", "glob"])
@pytest.mark.parametrize("text", ["a" * 4097, "a/" * 300_000, "ä" * 4000, "a" * 50_001])
def test_long_texts_of_a_filter_are_refused_and_shortened(
    http: httpx.Client, name: str, text: str
) -> None:
    answer = searched(http, **{name: text})
    assert answer.status_code == 422
    assert name in answer.json()["detail"]
    assert len(answer.content) < 1000


@pytest.mark.parametrize("name", ["under", "label", "glob"])
def test_what_is_not_found_is_quoted_in_short(http: httpx.Client, name: str) -> None:
    answer = searched(http, **{name: "b" * 4096})
    assert answer.status_code == 422
    assert len(answer.content) < 1200


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [1], "x" * 1_000_000: 1},
        {"ids": [1], "filter": {"y" * 1_000_000: 1}},
        {"ids": [1], "filter": {"after": "2" * 1_000_000}},
        {"ids": [1], "k": "3" * 1_000_000},
    ],
)
def test_no_answer_repeats_what_is_long(http: httpx.Client, body: dict[str, Any]) -> None:
    answer = http.post("/v1/search", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 1200
    assert len(http.get("/" + "n" * 5000).content) < 1200


@pytest.mark.parametrize("under", ["/", "photos", "~", "..", "/proc/self/root", "\x00"])
def test_no_folder_of_a_request_is_looked_up_on_the_disk(
    http: httpx.Client, monkeypatch: pytest.MonkeyPatch, under: str
) -> None:
    def touched(*_: object, **__: object) -> str:
        raise AssertionError("the disk was asked")

    monkeypatch.setattr(os.path, "realpath", touched)
    assert searched(http, under=under).status_code in {200, 422}


def test_a_folder_is_compared_as_it_is_written(http: httpx.Client, pictures: Path) -> None:
    assert searched(http, under=str(pictures)).status_code == 200
    label = next(path.name for path in pictures.iterdir() if path.is_dir())
    assert searched(http, under=label).status_code == 200
    assert searched(http, under=f"{label}/../{label}/").status_code == 200
    inside = os.path.relpath(pictures)  # relative to the working folder of the server
    assert searched(http, under=inside).status_code == 422


@pytest.fixture
def own(tmp_path: Path, collection: Path) -> Path:
    return Path(shutil.copytree(collection, tmp_path / "own.clr"))


@pytest.fixture
def blocked(own: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service whose searches do not end before the test."""
    release = threading.Event()
    monkeypatch.setattr(Index, "search", lambda *_: release.wait(60))
    with Index.open(own) as index, serving(Service(index)) as url:
        yield url
        release.set()


def test_nothing_waits_for_a_search(blocked: str) -> None:
    def ask() -> None:
        httpx.post(f"{blocked}/v1/search", json={"ids": [1]}, timeout=60)

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for thread in asking:
        thread.start()
    time.sleep(0.5)
    for path in ("/readyz", "/healthz", "/v1/items/1", "/v1/items/1/thumbnail", "/metrics"):
        assert httpx.get(blocked + path, timeout=5).status_code == 200
    assert httpx.get(f"{blocked}/v1/model", timeout=5).status_code == 200


def at_once(count: int, ask: Callable[[], httpx.Response]) -> list[int]:
    """The statuses of as many requests, all of them sent together."""
    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(ask) for _ in range(count)]
        return [answer.result().status_code for answer in answers]


def test_long_bodies_are_parsed_one_at_a_time_and_beside_the_others(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser holds the interpreter: many at once held it for seconds."""
    present: list[str] = []
    most: list[int] = []
    parsed = bodies.parsed

    def slowly(model: type[BaseModel], body: bytes) -> BaseModel:
        present.append(threading.current_thread().name)
        time.sleep(0.05)
        most.append(len(present))
        assert present.pop().startswith("parse")
        return parsed(model, body)

    monkeypatch.setattr(bodies, "parsed", slowly)
    body = {"ids": [1], "filter": {"ids": list(range(20_000))}}
    answers = at_once(6, lambda: httpx.post(f"{address}/v1/search", json=body, timeout=30))
    assert answers == [200] * 6
    assert most == [1] * 6


def test_who_asks_for_readiness_waits_for_no_look(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    going_on = threading.Event()
    in_place = Index.in_place

    def slowly(index: Index) -> bool:
        if index.path == own:  # A service of other tests goes on, too.
            looks.append(time.monotonic())
            if len(looks) > 1:
                going_on.wait(20)
        return in_place(index)

    monkeypatch.setattr(Index, "in_place", slowly)
    monkeypatch.setattr(presence, "EVERY", 0.01)
    with Index.open(own) as index, serving(Service(index)) as url:
        becomes_ready(url)
        while len(looks) < 2:
            time.sleep(0.01)
        assert at_once(12, lambda: httpx.get(f"{url}/readyz", timeout=30)) == [200] * 12
        assert len(looks) == 2  # one that goes on for as long as they ask
        going_on.set()


def test_a_look_that_does_not_end_is_not_ready(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive in a network does not answer: the first look, and a later one."""
    going_on, hanging = threading.Event(), threading.Event()
    hanging.set()
    in_place = Index.in_place

    def never(index: Index) -> bool:
        if index.path == own and hanging.is_set():
            going_on.wait(20)
        return in_place(index)

    monkeypatch.setattr(Index, "in_place", never)
    monkeypatch.setattr(presence, "EVERY", 0.01)
    monkeypatch.setattr(presence, "OLD", 0.2)
    with Index.open(own) as index, serving(Service(index)) as url:
        becomes_ready(url, ready=False)
        hanging.clear()
        going_on.set()
        becomes_ready(url)
        going_on.clear()
        hanging.set()
        becomes_ready(url, ready=False)
        going_on.set()


@pytest.mark.parametrize("what", ["moved", "deleted", "replaced"])
def test_a_collection_that_is_not_in_its_place_is_not_ready(own: Path, what: str) -> None:
    with Index.open(own) as index, serving(Service(index)) as url:
        assert httpx.get(f"{url}/readyz").status_code == 200
        aside = own.with_name("elsewhere.clr")
        own.rename(aside)
        if what == "deleted":
            shutil.rmtree(aside)
        elif what == "replaced":
            shutil.copytree(aside, own)
        becomes_ready(url, ready=False)
        if what == "moved":
            aside.rename(own)
            becomes_ready(url)
