"""The named endpoints, by Gradio's own client."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(address, verbose=False, download_files=str(tmp_path_factory.mktemp("client")))


def test_every_endpoint_is_described(client: Client) -> None:
    told = client.view_api(return_format="dict", print_info=False)
    assert isinstance(told, dict)
    names = "search picture overview classify label proposals copies groups places".split()
    assert set(told["named_endpoints"]) == {f"/{name}" for name in names}
    for endpoint in told["named_endpoints"].values():
        assert endpoint["description"]


def test_search_by_items_and_by_an_upload(client: Client, address: str, pictures: Path) -> None:
    overview = client.predict(api_name="/overview")
    assert overview["labels"] == ["blue", "green", "red"]
    first = client.predict(api_name="/search", k=1)[0]
    near = client.predict(api_name="/search", items=[first["id"]], k=5, label="green")
    assert [row["label"] for row in near] == ["green"] * 5
    assert client.predict(api_name="/picture", item=first["id"])["name"] == first["name"]
    data = next(pictures.rglob("*.png")).read_bytes()
    brought = httpx.post(f"{address}clr/upload", content=data, trust_env=False).json()
    found = client.predict(api_name="/search", upload=brought["upload"], k=3)
    assert found[0]["score"] == pytest.approx(1, abs=1e-3)


def until(
    client: Client, ready: Callable[[dict[str, Any]], object], **asked: Any
) -> dict[str, Any]:
    """Ask again until an answer is ready."""
    for _ in range(600):
        answer: dict[str, Any] = client.predict(**asked)
        if ready(answer):
            return answer
        time.sleep(0.05)
    raise AssertionError(answer)


def test_results_are_unlike_what_is_named_so(client: Client) -> None:
    one, *_, last = client.predict(api_name="/search", k=36)
    near = client.predict(api_name="/search", items=[one["id"]], k=34)
    apart = client.predict(api_name="/search", items=[one["id"]], without=[near[0]["id"]], k=34)
    assert near[0]["id"] not in {row["id"] for row in apart}
    assert [row["id"] for row in apart] != [row["id"] for row in near]
    assert last["id"] != one["id"]


def test_a_picture_is_classified(client: Client) -> None:
    (row, *_) = client.predict(api_name="/search", label="red", k=1)
    told = client.predict(api_name="/classify", item=row["id"])
    assert told["shares"][0][0] == "red"


def test_labels_are_given_and_taken_away(client: Client) -> None:
    (row,) = client.predict(api_name="/search", label="blue", k=1)
    assert client.predict(api_name="/proposals", k=5) == []  # All have a label.
    client.predict(api_name="/label", items=[row["id"]], label="")
    try:
        assert client.predict(api_name="/picture", item=row["id"])["label"] is None
        assert [one["id"] for one in client.predict(api_name="/proposals", k=5)] == [row["id"]]
    finally:
        client.predict(api_name="/label", items=[row["id"]], label="blue")
    assert client.predict(api_name="/picture", item=row["id"])["label"] == "blue"


def test_copies_and_groups_come_when_they_are_ready(client: Client) -> None:
    client.predict(api_name="/copies", begin=True)
    found = until(client, lambda answer: answer["found"], api_name="/copies")
    assert len(found["groups"]) == found["total"]
    groups = until(client, lambda answer: answer["ready"], api_name="/groups")["groups"]
    assert sum(group["size"] for group in groups) <= 36


def test_the_map_comes_in_parts_when_it_is_ready(client: Client) -> None:
    whole = until(client, lambda answer: answer["ready"], api_name="/places")
    assert whole["count"] == len(set(whole["ids"])) == len(whole["places"]) == 36
    assert all(0 <= value <= 1 for place in whole["places"] for value in place)
    assert len({tuple(place) for place in whole["places"]}) > 30
    part = client.predict(api_name="/places", offset=30, k=10)
    assert (part["ids"], part["places"]) == (whole["ids"][30:], whole["places"][30:])
    with pytest.raises(AppError, match="It can be 1 to 100000"):
        client.predict(api_name="/places", k=0)


def test_failures_are_in_words(client: Client) -> None:
    with pytest.raises(AppError, match="no longer in the collection"):
        client.predict(api_name="/picture", item=999_999)
    with pytest.raises(AppError, match="none that this page sends"):
        client.predict(api_name="/search", items=["../../etc/passwd"])
    with pytest.raises(AppError, match="no such column"):
        client.predict(api_name="/search", condition="no such column = 3")
