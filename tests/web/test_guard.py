"""Which requests the guard takes for those of a foreign page, whatever their headers are."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.datastructures import Headers

from clr_search.web.guard import Exchange, Guard, refused_as_foreign, replayed

OWN = "127.0.0.1:8000"
HOSTS = st.sampled_from(
    [OWN, "localhost", "[::1]:8000", "photos.local", "evil.example", "", "[::1"]
)
ORIGINS = st.sampled_from(
    [f"http://{OWN}", "http://localhost", "https://evil.example", "null", "["]
)
SITES = st.sampled_from(["same-origin", "none", "same-site", "cross-site", "", "SAME-ORIGIN", "x"])
MODES = st.sampled_from(["navigate", "no-cors", "cors", ""])
DESTINATIONS = st.sampled_from(["document", "iframe", "image", "empty", ""])


def some(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    """No header of a name, or one, or several."""
    header = values.map(lambda value: (name.encode(), value.encode()))
    return st.lists(header, max_size=2)


ANY = st.tuples(
    some("host", HOSTS),
    some("origin", ORIGINS),
    some("sec-fetch-site", SITES),
    some("sec-fetch-mode", MODES),
    some("sec-fetch-dest", DESTINATIONS),
).map(lambda parts: [header for part in parts for header in part])


@settings(deadline=None)
@given(raw=ANY, link=st.booleans())
def test_only_what_no_foreign_page_can_send_passes(
    raw: list[tuple[bytes, bytes]], link: bool
) -> None:
    headers = Headers(raw=raw)
    if refused_as_foreign(headers, "photos.local", link=link) is not None:
        return
    (host,) = headers.getlist("host")
    assert host in {OWN, "localhost", "[::1]:8000", "photos.local"}
    assert all(origin == f"http://{host}" for origin in headers.getlist("origin"))
    if not link:
        assert set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}
    elif not set(headers.getlist("sec-fetch-site")) <= {"same-origin", "none"}:
        assert headers.getlist("sec-fetch-mode") == ["navigate"]
        assert headers.getlist("sec-fetch-dest") == ["document"]


@settings(deadline=None)
@given(raw=ANY, more=ANY)
def test_no_further_header_opens_the_guard(
    raw: list[tuple[bytes, bytes]], more: list[tuple[bytes, bytes]]
) -> None:
    """Where one page is refused, nothing that it adds to its request helps."""
    hosted = any(name == b"host" for name, _ in raw)
    if hosted and refused_as_foreign(Headers(raw=raw), "photos.local") is not None:
        assert refused_as_foreign(Headers(raw=[*raw, *more]), "photos.local") is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_picture_on_another_page_is_refused(site: str) -> None:
    """A GET without CORS has no `Origin`, and is sent by every `<img>`."""
    headers = Headers(
        {
            "host": OWN,
            "sec-fetch-site": site,
            "sec-fetch-mode": "no-cors",
            "sec-fetch-dest": "image",
        }
    )
    assert refused_as_foreign(headers, "localhost") is HTTPStatus.FORBIDDEN
    assert refused_as_foreign(headers, "localhost", link=True) is HTTPStatus.FORBIDDEN


class Open(Guard):
    """A guard that lets everything pass to its application."""

    async def answer(self, scope: Any, headers: Headers, exchange: Exchange) -> None:
        await self.app(scope, exchange.receive, exchange.send)


def asked(
    parts: list[bytes], headers: list[tuple[bytes, bytes]], *, read: bool = True
) -> tuple[int, dict[bytes, bytes]]:
    """Status and headers of an answer to a body in parts, which the application reads or not."""
    incoming = [
        {"type": "http.request", "body": part, "more_body": at < len(parts) - 1}
        for at, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while read and (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    guard = Open(application, "localhost", 100, {"x-frame-options": "DENY"})
    asyncio.run(guard(scope, receive, send))
    assert guard._in_progress == 0
    return sent[0]["status"], dict(sent[0]["headers"])


CHUNKED = [(b"host", OWN.encode()), (b"transfer-encoding", b"chunked")]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80), min_size=1, max_size=5))
def test_bodies_are_bounded_and_what_is_unread_ends_the_connection(parts: list[bytes]) -> None:
    status, headers = asked(parts, CHUNKED)
    large = sum(map(len, parts)) > 100
    assert status == (413 if large else 200)
    assert headers[b"x-frame-options"] == b"DENY"
    if not large:
        assert b"connection" not in headers
    assert asked(parts, CHUNKED, read=False)[1][b"connection"] == b"close"
    assert b"connection" not in asked([], CHUNKED[:1], read=False)[1]


def test_several_hosts_are_refused_before_anything_else() -> None:
    assert asked([], [(b"host", b"localhost")] * 2)[0] == 421


@settings(deadline=None)
@given(st.binary(max_size=3), st.integers(0, 3))
def test_a_body_is_replayed_whole(end: bytes, pieces: int) -> None:
    body = bytes(2**18 * pieces) + end

    async def never() -> Any:
        raise AssertionError("there was more to deliver")

    async def read() -> bytes:
        receive, got, more = replayed(body, never), b"", True
        while more:
            message = await receive()
            got += message["body"]
            more = message["more_body"]
        return got

    assert asyncio.run(read()) == body
