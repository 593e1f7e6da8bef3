"""Requests to the page that no page sends: they are refused, and leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from clr_search.web.problems import Problem
from clr_search.web.uploads import Uploads

EVENTS, UPLOAD = "/gradio_api/queue/join", "/gradio_api/upload"


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
    for path in (EVENTS, "/gradio_api/cancel", "/gradio_api/reset"):
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


FILE = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
NO_NAME = b"\r\n--x\r\nContent-Disposition: form-data\r\n\r\nb\r\n--x--\r\n"


@pytest.mark.parametrize("end", [b"", b"\r\n--x", NO_NAME])
def test_a_form_that_does_not_end_leaves_no_file(client: httpx.Client, end: bytes) -> None:
    before = stored()
    headers = {"content-type": "multipart/form-data; boundary=x"}
    client.post(UPLOAD, content=FILE + bytes(300_000) + end, headers=headers)
    assert stored() == before


def test_an_upload_that_is_broken_off_never_reaches_the_disk(address: str) -> None:
    before = stored()
    with connected(address) as connection:
        connection.sendall(
            f"POST {UPLOAD} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n"
            "content-type: multipart/form-data; boundary=x\r\n\r\n".encode()
            + FILE
            + bytes(2**20)
        )
        time.sleep(0.3)
        assert stored() == before
    time.sleep(0.3)
    assert stored() == before


def test_a_form_with_many_files_is_bounded_as_a_whole(client: httpx.Client) -> None:
    before = stored()
    files = [("files", (f"{number}.jpg", bytes(2**20))) for number in range(70)]
    assert client.post(UPLOAD, files=files).status_code == 413
    assert stored() == before


def test_uploads_together_are_bounded(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, most_bytes=1000)

    async def store(name: str, count: int) -> None:
        async with uploads.room_for(count):
            (tmp_path / name).mkdir()
            (tmp_path / name / "a.jpg").write_bytes(bytes(count))
            (tmp_path / "tmp123").write_bytes(b"left over")

    asyncio.run(store("first", 600))
    with pytest.raises(Problem, match="Too many uploads"):
        asyncio.run(store("second", 600))
    assert not (tmp_path / "tmp123").exists()
    long_ago = time.time() - 1000
    os.utime(tmp_path / "first" / "a.jpg", (long_ago, long_ago))
    asyncio.run(store("second", 600))
    assert not (tmp_path / "first" / "a.jpg").exists()
    assert (tmp_path / "second" / "a.jpg").exists()


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
