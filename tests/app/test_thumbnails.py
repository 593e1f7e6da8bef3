"""Thumbnails are answered for before the layers that all other requests go through."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from starlette.types import Message, Receive, Scope, Send

from clr_search.app.library.tiles import Tiles
from clr_search.app.routes.pictures import Thumbnails
from clr_search.errors import ClrSearchError


class Drawing:
    """Thumbnails of one item."""

    def thumbnail(self, number: int) -> bytes:
        if number != 7:
            raise ClrSearchError("That picture is no longer in the collection.")
        return b"jpeg"


async def other(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def asked(method: str, path: str, query: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("there is no body")

    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": []}
    app = Thumbnails(other, cast(Tiles, Drawing()), "/clr/thumb/")
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_a_thumbnail_is_kept_for_ever_where_its_address_has_a_version() -> None:
    status, headers, body = asked("GET", "/clr/thumb/7", b"v=1")
    assert (status, body, headers[b"content-type"]) == (200, b"jpeg", b"image/jpeg")
    assert b"immutable" in headers[b"cache-control"]
    assert asked("GET", "/clr/thumb/7")[1][b"cache-control"] == b"no-store"
    assert asked("GET", "/clr/thumb/7", b"v=")[1][b"cache-control"] == b"no-store"


def test_an_item_that_is_gone_is_not_found() -> None:
    assert asked("GET", "/clr/thumb/8", b"v=1")[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/clr/thumb/7"),
        ("POST", "/clr/thumb/7"),
        ("GET", "/clr/thumb/"),
        ("GET", "/clr/thumb/-7"),
        ("GET", "/clr/thumb/7\n"),
        ("GET", "/clr/thumb/٧"),
        ("GET", "/clr/thumb/7/8"),
        ("GET", "/clr/thumb/" + "9" * 19),
        ("GET", "/clr/picture/7"),
        ("GET", "/"),
    ],
)
def test_all_else_is_passed_on(method: str, path: str) -> None:
    assert asked(method, path)[0] == 418
