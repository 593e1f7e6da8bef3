"""The address of the list of what could go: its lines, and what it refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from clr_search.app.library.copies import CopySearch
from clr_search.app.library.library import Library
from clr_search.app.library.uploads import Uploads
from clr_search.app.routes.copies import copies
from clr_search.index import Index


@pytest.fixture
def search(copied: Path, tmp_path: Path) -> Iterator[CopySearch]:
    (tmp_path / "uploads").mkdir()
    with Index.open(copied) as index:
        library = Library(index, Uploads(tmp_path / "uploads"))
        search = CopySearch(library)
        search.begin()
        search.wait()
        yield search
        library.close()


@pytest.fixture
def client(search: CopySearch) -> TestClient:
    app = FastAPI()
    app.include_router(copies(search, "my pictures"), prefix="/clr")
    return TestClient(app)


def number(search: CopySearch) -> int:
    found = search.found()
    assert found is not None
    return found.number


def taken(client: TestClient, **wanted: object) -> tuple[dict[str, Any], str]:
    answer = client.post("/clr/copies", json=wanted)
    assert answer.status_code == 200
    last = json.loads(answer.text.splitlines()[-1])
    return last, base64.b64decode(last["data"]).decode()


def listed(text: str) -> set[str]:
    return {Path(line).name for line in text.splitlines()}


def test_what_is_proposed_is_listed(client: TestClient, search: CopySearch) -> None:
    last, text = taken(client, search=number(search), form="text")
    names = listed(text)
    assert len(names) == last["count"] == 3
    assert "4.jpg" in names
    assert last["left_out"] == 0
    assert last["frees"] > 0


def test_what_a_person_marks_takes_its_place(client: TestClient, search: CopySearch) -> None:
    group = search.group(number(search), 0)
    ids = {copy.item.path.name: copy.item.id for copy in group.copies}
    marks = [{"place": 0, "go": [ids["4.png"], ids["4 again.png"]]}, {"place": 1, "go": []}]
    _, text = taken(client, search=number(search), form="text", marks=marks)
    assert listed(text) == {"4.png", "4 again.png"}


def test_what_people_said_is_on_no_list(client: TestClient, search: CopySearch) -> None:
    search.remember(number(search), 1, None, undo=False)
    _, text = taken(client, search=number(search), form="text")
    assert not {"2.png", "2 <b>&copy.png"} & listed(text)


def test_a_group_never_goes_as_a_whole(client: TestClient, search: CopySearch) -> None:
    group = search.group(number(search), 0)
    marks = [{"place": 0, "go": [copy.item.id for copy in group.copies]}, {"place": 1, "go": []}]
    last, text = taken(client, search=number(search), form="text", marks=marks)
    assert text == ""
    assert last["left_out"] == 3
    assert "what is kept" in last["why"][0][1]


def test_what_has_changed_since_is_left_out(client: TestClient, search: CopySearch) -> None:
    group = search.group(number(search), 0)
    (jpeg,) = (copy.item.path for copy in group.copies if copy.item.path.name == "4.jpg")
    jpeg.write_bytes(jpeg.read_bytes() + b"\0")
    last, text = taken(client, search=number(search), form="text")
    assert "4.jpg" not in listed(text)
    assert last["why"] == [[str(jpeg), "it has changed since it was indexed"]]


@pytest.mark.parametrize(
    ("wanted", "status", "words"),
    [
        ({"search": 1, "form": "text"}, 404, "searched for anew"),
        ({"form": "exe"}, 422, "form"),
        ({"form": "text", "marks": [{"place": "0"}]}, 422, "place"),
        ({"form": "text", "marks": [{"place": 0, "go": [-1]}]}, 422, "go"),
        ({"form": "text", "marks": [{"place": 0}, {"place": 1}]}, 404, "Nothing is marked"),
        ([], 422, "message"),
    ],
)
def test_other_wishes_are_refused(
    client: TestClient, search: CopySearch, wanted: Any, status: int, words: str
) -> None:
    if isinstance(wanted, dict):
        wanted = {"search": number(search), **wanted}
    answer = client.post("/clr/copies", json=wanted)
    assert answer.status_code == status
    assert words in answer.json()["detail"]
