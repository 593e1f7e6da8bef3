"""Connections that ask for nothing, or are too many."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from clr_search.index import Index
from clr_search.server import connections
from clr_search.server.routes import Service
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


def answers(connection: socket.socket, count: int = 1) -> bytes:
    read = b""
    while read.count(b"alive") < count:
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


def test_one_connection_too_many_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    with connected(url) as first:
        first.sendall(HEAD + b"\r\n")
        answers(first)
        with connected(url), connected(url) as third:
            answer = third.recv(4096)
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in answer
            assert third.recv(4096) == b""
        first.sendall(HEAD + b"\r\n")
        answers(first)
    assert httpx.get(f"{url}/healthz").status_code == 200
