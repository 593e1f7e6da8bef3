from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from clr_search.app.guard import (
    EVENTS,
    MAX_MESSAGE_BYTES,
    UPLOAD,
    Guard,
    check_route,
)
from clr_search.app.messages import MAX_VALUES, Events, is_address
from clr_search.web.hosts import is_trusted_host

QUESTION = "/gradio_api/component_server"
PAGE = Events(frozenset({1}), frozenset({(2, "find")}))


def ask(
    method: str,
    path: str,
    *,
    body: bytes = b"",
    host: str = "127.0.0.1:7860",
    origin: str | None = None,
    chunk: int = 1 << 16,
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> tuple[int, dict[str, str], bytes | None]:
    """Status, headers, and the body the application behind the guard saw (None: never asked)."""
    seen: list[bytes] = []
    sent: list[dict[str, Any]] = []
    parts = [body[i : i + chunk] for i in range(0, len(body), chunk)] or [b""]
    incoming = [
        {"type": "http.request", "body": part, "more_body": i < len(parts) - 1}
        for i, part in enumerate(parts)
    ]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        got = b""
        while True:
            message = await receive()
            got += message["body"]
            if not message["more_body"]:
                break
        seen.append(got)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    headers += more
    if body:
        headers.append((b"transfer-encoding", b"chunked"))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
    }
    asyncio.run(Guard(application, PAGE)(scope, receive, send))
    return (
        sent[0]["status"],
        {key.decode(): value.decode() for key, value in sent[0]["headers"]},
        seen[0] if seen else None,
    )


def event(data: object) -> bytes:
    return json.dumps({"data": [data], "fn_index": 1, "session_hash": "s"}).encode()


EVENT = event(None)


@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_an_event_reaches_the_application_whole(chunk: int) -> None:
    body = event({"path": "/tmp/cache/rose.jpg", "url": "http://127.0.0.1:7860/file=rose.jpg"})
    status, headers, seen = ask("POST", EVENTS, body=body, chunk=chunk)
    assert (status, seen) == (200, body)
    assert "default-src 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    ["http://169.254.169.254/latest", "https://example.org/a.png", "HTTP://x/", " ftp://x/y"],
)
def test_an_event_with_an_address_for_a_file_is_refused(path: str) -> None:
    nested = {"a": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
    assert ask("POST", EVENTS, body=event(nested))[::2] == (403, None)


def test_an_upload_passes_unread_and_unlimited_by_the_message_size() -> None:
    body = b"\xff" * (MAX_MESSAGE_BYTES + 1)
    assert ask("POST", UPLOAD, body=body)[::2] == (200, body)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 900, 400),
        (b"[" * 60_000, 413),
        (b" " * (MAX_MESSAGE_BYTES + 1), 413),
        (b'{"data": [' + b"0," * MAX_VALUES + b'0], "fn_index": 1}', 413),
        (b"{}", 404),
        (b"[1]", 400),
        (b'{"fn_index": 2}', 404),
        (b'{"fn_index": true}', 404),
        (b'{"fn_index": "1"}', 404),
        (b'{"fn_index": -1}', 404),
        (b'{"fn_index": 1}', None),
    ],
)
def test_event_messages(body: bytes, status: int | None) -> None:
    if len(body) <= MAX_MESSAGE_BYTES:
        assert PAGE.refusal(EVENTS, body) == status
    assert ask("POST", EVENTS, body=body)[0] == (status or 200)


def question(**changes: object) -> bytes:
    message = {"component_id": 2, "fn_name": "find", "session_hash": "s", "data": {}}
    return json.dumps(message | changes).encode()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, None),
        ({"component_id": 3}, 404),
        ({"component_id": True}, 404),
        ({"component_id": [2]}, 404),
        ({"fn_name": "__class__"}, 404),
        ({"fn_name": ["find"]}, 404),
        ({"session_hash": ["s"]}, 404),
        ({"session_hash": "s" * 100}, 404),
        ({"data": {"a": {"path": "http://example.org/a"}}}, 403),
    ],
)
def test_questions_name_a_function_of_the_page(
    changes: dict[str, object], status: int | None
) -> None:
    body = question(**changes)
    assert PAGE.refusal(QUESTION, body) == status
    assert ask("POST", QUESTION, body=body)[0] == (status or 200)
    assert ask("POST", f"{QUESTION}/", body=body)[0] == (status or 200)


def test_a_question_without_data_is_refused() -> None:
    message = {"component_id": 2, "fn_name": "find", "session_hash": "s"}
    assert PAGE.refusal(QUESTION, json.dumps(message).encode()) == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", None),
        ("HEAD", "/", None),
        ("GET", "/assets/index.js", None),
        ("GET", "/gradio_api/file=/tmp/cache/a.jpg", None),
        ("GET", "/gradio_api/file=http://example.org/a.jpg", 403),
        ("GET", "/gradio_api/proxy=https://example.org/", 404),
        ("GET", "/gradio_api/info", None),
        ("GET", "/gradio_api/openapi.json", 404),
        ("GET", "/openapi.json", 404),
        ("GET", "/docs", 404),
        ("GET", "/monitoring", 404),
        ("POST", "/gradio_api/run/predict", 404),
        ("POST", "/gradio_api/call/v2/predict", 404),
        ("POST", "/gradio_api/upload", 404),
        ("POST", "/gradio_api/cancel", 404),
        ("GET", "/clr/thumb/7", None),
        ("POST", QUESTION, None),
        ("POST", "/clr/thumb/7", 404),
        ("POST", "/gradio_api/process_recording", 404),
        ("POST", "/gradio_api/vibe-edit", 404),
        ("POST", "/", 404),
        ("PUT", "/", 405),
        ("OPTIONS", EVENTS, 405),
    ],
)
def test_only_the_routes_of_the_page_are_answered(
    method: str, path: str, status: int | None
) -> None:
    assert check_route(method, path) == status


@pytest.mark.parametrize(
    ("header", "trusted"),
    [
        ("127.0.0.1:7860", True),
        ("127.0.0.1", True),
        ("[::1]:7860", True),
        ("localhost:7860", True),
        ("192.168.1.5:80", True),
        ("pictures.local:7860", True),
        ("evil.example:7860", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_name_that_could_be_rebound_is_not_trusted(header: str, trusted: bool) -> None:
    assert is_trusted_host(header, {"pictures.local"}) is trusted


def test_requests_for_other_hosts_or_from_other_pages_are_refused() -> None:
    assert ask("GET", "/", host="evil.example")[::2] == (421, None)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9999", "http://["):
        assert ask("POST", EVENTS, body=EVENT, origin=origin)[::2] == (403, None)
    assert ask("POST", EVENTS, body=EVENT, origin="http://127.0.0.1:7860")[0] == 200


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ((b"host", b"evil.example"), 421),
        ((b"host", b"127.0.0.1:7860"), 421),
        ((b"origin", b"https://evil.example"), 403),
        ((b"origin", b"http://127.0.0.1:7860"), 200),
    ],
)
def test_headers_that_are_there_twice_are_not_chosen_from(
    more: tuple[bytes, bytes], status: int
) -> None:
    own = "http://127.0.0.1:7860"
    assert ask("POST", EVENTS, body=EVENT, origin=own, more=(more,))[0] == status


def test_a_refusal_is_no_more_open_than_an_answer() -> None:
    _, headers, _ = ask("GET", "/docs")
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/home/a.jpg", "C:\\a.jpg", "C:/a.jpg", "a.jpg", "", "a:b"])
def test_local_paths_are_no_addresses(path: str) -> None:
    assert not is_address(path)
