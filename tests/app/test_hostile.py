"""Requests to the page that no page sends: they are refused, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

EVENTS, UPLOAD = "/gradio_api/queue/join", "/clr/upload"
QUESTION = "/gradio_api/component_server"


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, trust_env=False, timeout=20) as client:
        yield client


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        yield connection


def stored() -> set[Path]:
    """All files in the folder of uploads."""
    return {path for path in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if path.is_file()}


@pytest.mark.parametrize("number", [999_999, -1, True, "0", 0.5, None, [], {}])
def test_an_event_that_the_page_does_not_have_is_refused(
    client: httpx.Client, number: object
) -> None:
    message = {"data": [], "fn_index": number, "session_hash": "test"}
    assert client.post(EVENTS, json=message).status_code == 404


@pytest.mark.parametrize(
    "message",
    [
        [],
        "text",
        {"fn_index": 0},
        {"fn_index": 0, "data": {}, "session_hash": "s"},
        {"fn_index": 0, "data": [], "session_hash": 5},
        {"fn_index": 0, "data": [], "session_hash": "s", "trigger_id": "x"},
        {"event_id": 7},
    ],
)
def test_messages_of_another_shape_are_refused(client: httpx.Client, message: object) -> None:
    for path in (EVENTS, QUESTION):
        assert 400 <= client.post(path, json=message).status_code < 500


@pytest.mark.parametrize("path", ["/gradio_api/file=a%00b", "/gradio_api/file=" + "a/" * 9000])
def test_odd_paths_are_refused(client: httpx.Client, path: str) -> None:
    assert 400 <= client.get(path).status_code < 500


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_page_is_answered_save_by_a_link(client: httpx.Client, site: str) -> None:
    headers = {"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    for path in ("/", "/config", "/gradio_api/queue/data?session_hash=x"):
        assert client.get(path, headers=headers).status_code == 403
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/config", headers=link).status_code == 403


def test_an_upload_that_is_broken_off_never_reaches_the_disk(address: str) -> None:
    before = stored()
    with connected(address) as connection:
        connection.sendall(
            f"POST {UPLOAD} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n\r\n".encode()
            + bytes(2**20)
        )
        time.sleep(0.3)
        assert stored() == before
    time.sleep(0.3)
    assert stored() == before


@pytest.mark.parametrize("data", [b"", b"GIF89a", bytes(1000), b"\xff\xd8\xff\xe0 no photograph"])
def test_what_is_no_picture_is_refused_in_words_and_not_kept(
    client: httpx.Client, data: bytes
) -> None:
    before = stored()
    answer = client.post(UPLOAD, content=data, headers={"x-name": "holiday%0A%1B.jpg"})
    assert answer.status_code == 404
    assert "could not be read as a picture" in answer.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize(
    "path",
    [
        "/clr/thumb/999999",
        "/clr/thumb/-1",
        "/clr/thumb/1e9",
        "/clr/thumb/9999999999999999999999999",
        "/clr/thumb/..%2f..%2fetc%2fpasswd",
        "/clr/picture/999999",
        "/clr/original/1",
        "/clr/upload/none",
        "/clr/upload/..%2f..%2fetc%2fpasswd",
        "/clr/static/..%2fpage.py",
        "/clr/static/nothing.js",
        "/clr/",
    ],
)
def test_addresses_of_nothing(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert 400 <= answer.status_code < 500
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": "csv"},
        {"kind": "csv", "ids": [0.5]},
        {"kind": "csv", "ids": "all"},
        {"kind": "exe", "ids": [1]},
        {"kind": "zip", "ids": [1]},
        {"kind": "csv", "ids": list(range(5001))},
        [],
        "text",
        7,
        None,
    ],
)
def test_exports_of_another_shape_are_refused(client: httpx.Client, message: object) -> None:
    answer = client.post("/clr/export", json=message)
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "data", [None, [], "x", 7, [[1]], {"search": 7}, {"offset": -1}, {"ids": 3}]
)
def test_questions_of_another_shape_are_answered_in_words(
    client: httpx.Client, data: object
) -> None:
    config = client.get("/config").json()
    number = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "clr-page")
    for name in ("find", "item", "rows", "terms", "reveal"):
        message = {"component_id": number, "fn_name": name, "session_hash": "s", "data": data}
        answer = client.post(QUESTION, json=message)
        assert answer.status_code == 200
        assert set(answer.json()) <= {"ok", "error"}
        assert "its log says" not in answer.text


MUCH = 120_000_000
"""Bytes that can have been sent only to a server that goes on reading: by its usual limits Linux
takes up to 36 MB for a reader that has stopped, and the app discards 4 MB."""


@pytest.mark.parametrize(
    ("first", "endless"),
    [
        (b"", b"a: b\r\n" * 1000),  # headers
        (b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", b"a: b\r\n" * 1000),  # trailers
        (b"transfer-encoding: chunked\r\n\r\n", b"400\r\n" + b"a" * 0x400 + b"\r\n"),  # a body
    ],
)
def test_what_has_no_end_is_cut_off(address: str, first: bytes, endless: bytes) -> None:
    with connected(address) as connection:
        connection.sendall(f"POST {EVENTS} HTTP/1.1\r\nhost: localhost\r\n".encode() + first)
        sent = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            while sent < MUCH:
                connection.sendall(endless)
                sent += len(endless)
        assert sent < MUCH
    assert httpx.get(address, trust_env=False).status_code == 200
