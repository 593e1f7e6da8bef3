"""Connections that ask for nothing, or are too many."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from clr_search.index import Index
from clr_search.server.routes import Service
from clr_search.web import connections
from tests.server.conftest import serving

HEAD = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture
def url(collection: Path) -> Iterator[str]:
    with Index.open(collection) as index, serving(Service(index)) as address:
        yield address


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        yield connection


def closed_after(connection: socket.socket) -> float:
    """Seconds until the other side closes; what it says before is read."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(4096):
            pass
    return time.monotonic() - began


def cut_off(connection: socket.socket, endless: bytes) -> bool:
    """Whether the other side ends what is sent for at most some seconds."""
    began = time.monotonic()
    try:
        while time.monotonic() < began + 9:
            connection.sendall(endless)
            time.sleep(0.0005)
    except OSError:
        return True
    return False


def answers(connection: socket.socket, count: int = 1, sign: bytes = b"alive") -> bytes:
    read = b""
    while read.count(sign) < count:
        part = connection.recv(4096)
        assert part, read
        read += part
    return read


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /hea", HEAD, HEAD + b"a: b\r\n" * 100])
def test_without_a_whole_head_a_connection_is_closed(
    url: str, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD", 0.3)
    with connected(url) as connection:
        connection.sendall(sent)
        assert 0.2 < closed_after(connection) < 5


def test_what_comes_in_drops_gains_no_time(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD", 0.5)
    with connected(url) as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            connection.sendall(HEAD)
            while time.monotonic() < began + 5:
                connection.sendall(b"a")
                time.sleep(0.05)
        assert 0.4 < time.monotonic() - began < 5
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_a_head_without_an_end_is_cut_off(url: str) -> None:
    with connected(url) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(HEAD + b"a: " + b"b" * 2_000_000)
        assert closed_after(connection) < 5


@pytest.mark.parametrize("more", [b"", b"\r\n", b"GET /hea", b"x"])
def test_after_an_answer_the_time_begins_anew(
    url: str, more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD", 0.4)
    monkeypatch.setattr(connections, "KEEP_ALIVE", 0.4)
    with connected(url) as connection:
        for _ in range(4):
            connection.sendall(HEAD + b"\r\n")
            answers(connection)
            time.sleep(0.25)
        connection.sendall(more)
        assert closed_after(connection) < 5


def test_requests_sent_at_once_are_all_answered(url: str) -> None:
    with connected(url) as connection:
        connection.sendall((HEAD + b"\r\n") * 3)
        assert answers(connection, 3).count(b"HTTP/1.1 200") == 3


def test_a_connection_without_a_request_gives_its_place_to_a_new_one(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The silent ones go first, then those that were answered; none that waits for its answer."""
    monkeypatch.setattr(connections, "MOST", 2)
    with connected(url) as answered, connected(url) as silent:
        answered.sendall(HEAD + b"\r\n")
        answers(answered)
        with connected(url) as new:
            new.sendall(HEAD + b"\r\n")
            answers(new)
            time.sleep(0.2)  # The order is that in which the server ends its answers.
            assert closed_after(silent) < 1
            answered.sendall(HEAD + b"\r\n")
            answers(answered)
            with connected(url) as newer:
                newer.sendall(HEAD + b"\r\n")
                answers(newer)
                assert closed_after(new) < 1
                answered.sendall(HEAD + b"\r\n")
                answers(answered)


def test_one_connection_too_many_is_refused_while_all_wait_for_answers(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    release = threading.Event()
    monkeypatch.setattr(Index, "item", lambda *_: release.wait(20))
    with connected(url) as first, connected(url) as second:
        for connection in (first, second):
            connection.sendall(b"GET /v1/items/1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        time.sleep(0.3)
        with connected(url) as third:
            answer = third.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in answer
            assert third.recv(4096) == b""
        release.set()
        assert first.recv(4096).startswith(b"HTTP/1.1 ")
        assert second.recv(4096).startswith(b"HTTP/1.1 ")
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_too_many_headers_are_refused(url: str) -> None:
    few, many = (HEAD + b"a: b\r\n" * count + b"\r\n" for count in (190, 300))
    with connected(url) as connection:
        connection.sendall(few)
        answers(connection)
        connection.sendall(many)
        assert connection.recv(4096).startswith(b"HTTP/1.1 431")
        assert closed_after(connection) < 5


CHUNKED = (
    b"POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    ("first", "endless"),
    [
        (b"1\r\n{\r\n0\r\n", b"a: b\r\n" * 1000),  # trailers
        (b"1\r\n{\r\n0\r\na: ", b"b" * 5000),  # one trailer
        (b"1;", b"a=b;" * 1000),  # the extension of a chunk
        (b"", b"1\r\n{\r\n" * 1000),  # chunks of one byte each
    ],
)
def test_what_is_not_of_a_body_is_bounded(url: str, first: bytes, endless: bytes) -> None:
    with connected(url) as connection:
        connection.sendall(CHUNKED + first)
        sent = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            while sent < 100_000_000:
                connection.sendall(endless)
                sent += len(endless)
        assert sent < 50_000_000
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1 4" in connection.recv(4096)
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_small_chunks_are_handed_on_together(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that is handed on is added to the others by copying them all."""
    handed_on: list[int] = []
    on_body = HttpToolsProtocol.on_body

    def counted(protocol: HttpToolsProtocol, body: bytes) -> None:
        handed_on.append(len(body))
        on_body(protocol, body)

    monkeypatch.setattr(HttpToolsProtocol, "on_body", counted)
    body = b'{"ids": [1], "k": 3}' + b" " * 4000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with connected(url) as connection:
        head = CHUNKED.replace(b"image/png", b"application/json").replace(b"embed", b"search")
        connection.sendall((head + chunks) * 2)
        answers(connection, 2, b"HTTP/1.1 200")
    assert sum(handed_on) == 2 * len(body)
    assert len(handed_on) < 100


def test_trailers_are_no_headers(url: str) -> None:
    """They are dropped: nothing that was checked in the head can be changed by them."""
    body = b"8\r\n" + json.dumps({"a": 1}).encode() + b"\r\n0\r\nhost: evil.example\r\n\r\n"
    with connected(url) as connection:
        connection.sendall(CHUNKED.replace(b"image/png", b"application/json") + body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 422")
        connection.sendall(HEAD + b"\r\n")
        answers(connection)


@pytest.mark.parametrize("path", [b"/nowhere", b"/healthz", b"/v1/embed?refused"])
def test_a_request_that_was_answered_before_it_came_whole_ends_the_connection(
    url: str, path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer can be read, though more comes for ever; then the connection is cut."""
    monkeypatch.setattr(connections, "LINGER", 0.5)
    head = CHUNKED.replace(b"/v1/embed", path).replace(b"image/png", b"text/plain")
    with connected(url) as connection:
        connection.sendall(head + b"5\r\nhello\r\n")
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 ")
        assert b"\r\nconnection: close\r\n" in answer
        began = time.monotonic()
        assert cut_off(connection, b"400\r\n" + b"a" * 0x400 + b"\r\n")
        assert time.monotonic() - began < 5


def test_requests_far_ahead_of_their_answers_are_cut_off(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(Index, "item", lambda *_: release.wait(20))
    with connected(url) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /v1/items/1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            connection.sendall((HEAD + b"\r\n") * 10_000)
        assert closed_after(connection) < 5
        release.set()
    assert httpx.get(f"{url}/healthz").status_code == 200


def test_who_does_not_read_answers_is_cut_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALLED", 0.5)
    ask = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n"
    with connected(url) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        began = time.monotonic()
        assert cut_off(connection, ask)
        assert time.monotonic() - began < 10
    assert httpx.get(f"{url}/healthz").status_code == 200
