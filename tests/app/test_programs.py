"""The named endpoints, by Gradio's own client."""

from __future__ import annotations

from pathlib import Path

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
    assert set(told["named_endpoints"]) == {"/search", "/picture", "/overview"}
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


def test_failures_are_in_words(client: Client) -> None:
    with pytest.raises(AppError, match="no longer in the collection"):
        client.predict(api_name="/picture", item=999_999)
    with pytest.raises(AppError, match="none that this page sends"):
        client.predict(api_name="/search", items=["../../etc/passwd"])
    with pytest.raises(AppError, match="no such column"):
        client.predict(api_name="/search", condition="no such column = 3")
