"""Tools for agents, asked by the client of the protocol's makers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from PIL import Image

from clr_search.app.access import Access
from clr_search.app.main import serving
from clr_search.errors import UsageError
from clr_search.web.requests.login import Logins

mcp = pytest.importorskip("mcp", reason="the extra [mcp] is not installed")


@pytest.fixture(scope="module")
def agents(collection: Path, probe: Path) -> Iterator[str]:
    with serving(collection, probe=probe, access=Access(tools=True)) as url:
        yield f"{url}clr/mcp"


def call(url: str, name: str, **given: Any) -> Any:
    """The result of a tool, as the client gives it."""

    async def work() -> Any:
        async with mcp.Client(url) as client:
            return await client.call_tool(name, given)

    return anyio.run(work)


def answer(url: str, name: str, **given: Any) -> Any:
    result = call(url, name, **given)
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)


def test_what_there_is_is_told(agents: str) -> None:
    async def work() -> tuple[list[Any], str | None]:
        async with mcp.Client(agents) as client:
            return (await client.list_tools()).tools, client.instructions

    tools, instructions = anyio.run(work)
    assert {tool.name for tool in tools} == {
        "overview",
        "search",
        "picture",
        "contact_sheet",
        "classify",
    }
    assert all(tool.description for tool in tools)
    assert instructions is not None
    assert "Begin with overview" in instructions


def test_an_agent_finds_looks_and_classifies(agents: str, pictures: Path) -> None:
    assert answer(agents, "overview")["all"] == 36
    (first,) = answer(agents, "search", k=1, label="red")["results"]
    near = answer(agents, "search", items=[first["id"]], k=5, label="green")["results"]
    assert [row["label"] for row in near] == ["green"] * 5
    assert answer(agents, "picture", item=first["id"])["name"] == first["name"]
    sheet = call(agents, "contact_sheet", items=[row["id"] for row in near]).content[0]
    with Image.open(io.BytesIO(base64.b64decode(sheet.data))) as picture:
        assert picture.format == "JPEG"
        assert picture.width > 5 * 240
    data = next((pictures / "blue").glob("*.png")).read_bytes()
    sent = base64.b64encode(data).decode()
    found = answer(agents, "search", picture_base64=sent, k=1)["results"]
    assert found[0]["score"] == pytest.approx(1, abs=1e-3)
    assert (
        answer(agents, "classify", picture_base64=f"data:image/png;base64,{sent}")["shares"][0][0]
        == "blue"
    )


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("picture", {"item": 999_999}, "no longer in the collection"),
        ("search", {"picture_base64": "no!"}, "no base64"),
        ("search", {"picture_base64": "bm8="}, "picture"),
        ("search", {"condition": "no such column = 3"}, "no such column"),
        ("contact_sheet", {"items": []}, "1 to 60 pictures, not 0"),
        ("contact_sheet", {"items": [999_999]}, "None of these pictures"),
        ("search", {"items": ["../../etc/passwd"]}, "items"),
        ("delete", {}, "delete"),
    ],
)
def test_failures_are_in_words(agents: str, name: str, given: dict[str, Any], said: str) -> None:
    result = call(agents, name, **given)
    assert result.is_error
    assert said in result.content[0].text


def test_only_who_may_see_the_page_may_ask(collection: Path, agents: str) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    headers = {"accept": "application/json, text/event-stream"}
    ours = httpx.post(agents, json=hello, headers=headers, trust_env=False)
    assert ours.status_code < 300
    for more in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
        refused = httpx.post(agents, json=hello, headers={**headers, **more}, trust_env=False)
        assert refused.status_code in {403, 421}
    large = httpx.post(agents, content=b" " * (17 * 2**20), headers=headers, trust_env=False)
    assert large.status_code == 413
    with serving(collection, access=Access(Logins.of({"ada": "a long secret"}), tools=True)) as url:
        address = f"{url}clr/mcp"
        assert httpx.post(address, json=hello, headers=headers, trust_env=False).status_code == 401
        known = httpx.post(
            address, json=hello, headers=headers, auth=("ada", "a long secret"), trust_env=False
        )
        assert known.status_code < 300


def test_without_the_option_there_are_none(address: str) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    assert httpx.post(f"{address}clr/mcp", json=hello, trust_env=False).status_code in {404, 405}


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("0.0.0.0", {"open_to_all": True}),
        ("127.0.0.1", {"more_hosts": ("photos.example.org",)}),
        ("127.0.0.1", {"root_path": "/photos"}),
    ],
)
def test_what_would_open_a_door_is_refused(
    collection: Path, host: str, more: dict[str, Any]
) -> None:
    access = Access(tools=True, **more)
    with (
        pytest.raises(UsageError, match="agents of others"),
        serving(collection, host=host, access=access),
    ):
        pass
