"""Who may ask the service, how much, and how long."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from clr_search.server.routes import Service
from clr_search.server.server import require_key
from clr_search.server.settings import KEYS_VARIABLE, Keys, Limits, read_keys
from tests.server.conftest import becomes_ready, serving

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"
SMALL = replace(Limits(), body_bytes=50_000, seconds=1.0)


@pytest.fixture(scope="module")
def guarded(collection: Path) -> Iterator[str]:
    keys = Keys.of([KEY, OTHER])
    with Index.open(collection) as index, serving(Service(index, None, keys, SMALL)) as url:
        yield url


@pytest.fixture(scope="module")
def small(collection: Path) -> Iterator[str]:
    with Index.open(collection) as index:
        service = Service(index, limits=SMALL, host="photos.example")
        with serving(service) as url:
            yield url


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {OTHER}"},
        {"x-api-key": OTHER},
    ],
)
def test_any_of_the_keys_opens(guarded: str, headers: dict[str, str]) -> None:
    assert httpx.get(f"{guarded}/v1/model", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": ""},
    ],
)
def test_without_a_right_key_nothing_is_told(guarded: str, headers: dict[str, str]) -> None:
    for path in ("/v1/model", "/v1/items/1", "/metrics", "/openapi.json", "/nowhere"):
        answer = httpx.get(guarded + path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["remedy"]
    for path in ("/healthz", "/readyz"):
        assert httpx.get(guarded + path, headers=headers).status_code == 200


def test_with_a_key_any_host_and_origin_is_answered(guarded: str) -> None:
    headers = {"x-api-key": KEY, "host": "photos.example.com", "origin": "https://elsewhere"}
    assert httpx.get(f"{guarded}/v1/model", headers=headers).status_code == 200


def test_the_description_asks_for_the_key_where_there_is_one(guarded: str, small: str) -> None:
    document = httpx.get(f"{guarded}/openapi.json", headers={"x-api-key": KEY}).json()
    schemes = document["components"]["securitySchemes"]
    either = [next(iter(one)) for one in document["security"]]
    assert [schemes[name] for name in either] == [
        {"type": "http", "scheme": "bearer"},
        {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    ]
    open_to_all = {
        path
        for path, operations in document["paths"].items()
        if all(operation.get("security") == [] for operation in operations.values())
    }
    assert open_to_all == {"/healthz", "/readyz"}
    assert "security" not in httpx.get(f"{small}/openapi.json").text


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("photos.example", 200), ("10.0.0.1:80", 200), ("evil.example", 421)],
)
def test_without_keys_only_known_hosts_are_answered(small: str, host: str, status: int) -> None:
    assert httpx.get(f"{small}/v1/model", headers={"host": host}).status_code == status


def test_without_keys_no_page_of_another_origin_is_answered(small: str) -> None:
    assert httpx.get(f"{small}/v1/model", headers={"origin": small}).status_code == 200
    for origin in ("https://evil.example", "null", "http://["):
        answer = httpx.get(f"{small}/v1/model", headers={"origin": origin})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (b"host: evil.example", b" 421 "),
        (b"origin: http://evil.example", b" 403 "),
        (b"origin: http://localhost", b" 200 "),
    ],
)
def test_headers_that_are_there_twice_are_not_chosen_from(
    small: str, more: bytes, status: bytes
) -> None:
    with _connected(small) as connection:
        connection.sendall(
            b"GET /v1/model HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost\r\n"
            + more
            + b"\r\n\r\n"
        )
        assert status in connection.recv(4096)


def test_a_body_that_says_it_is_too_large_is_not_read(small: str) -> None:
    with _connected(small) as connection:
        connection.sendall(
            b"POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
            b"content-length: 50001\r\n\r\n"
        )
        assert b" 413 " in connection.recv(4096)  # before a byte of it was sent


def test_a_body_that_does_not_say_its_size_is_cut_off(small: str) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(60):
            yield bytes(1000)

    answer = httpx.post(
        f"{small}/v1/embed", content=pieces(), headers={"content-type": "image/png"}
    )
    assert answer.status_code == 413
    assert "50,000 bytes" in answer.json()["detail"]


def test_who_sends_too_slowly_is_told_so(small: str) -> None:
    began = time.monotonic()
    with _connected(small) as connection:
        connection.sendall(
            b"POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
            b"content-length: 100\r\n\r\nabc"
        )
        assert b" 408 " in connection.recv(4096)
    assert 0.9 < time.monotonic() - began < 5
    assert httpx.get(f"{small}/healthz").status_code == 200


def test_who_waits_too_long_for_the_service_may_come_again(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request without a body is complete from its beginning."""
    release = threading.Event()
    monkeypatch.setattr(Index, "item", lambda *_: release.wait(20))
    limits = replace(Limits(), seconds=0.2)
    with Index.open(collection) as index, serving(Service(index, limits=limits)) as url:
        answer = httpx.get(f"{url}/v1/items/1")
        release.set()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_who_leaves_before_the_end_of_the_body_is_no_failure(
    small: str, caplog: pytest.LogCaptureFixture
) -> None:
    counted = 'clr_search_requests_total{route="/v1/embed",status="499"} 1.0'
    assert counted not in httpx.get(f"{small}/metrics").text
    with _connected(small) as connection:
        connection.sendall(
            b"POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
            b"content-length: 100\r\n\r\nabc"
        )
    deadline = time.monotonic() + 10
    while counted not in (text := httpx.get(f"{small}/metrics").text):
        assert time.monotonic() < deadline, text
        time.sleep(0.02)
    assert 'route="/v1/embed",status="500"' not in text
    assert "failed" not in caplog.text


def test_the_bodies_of_all_requests_together_are_bounded(small: str) -> None:
    """Nine requests that hold 45,000 bytes each are more than 8 × 50,000."""
    head = (
        b"POST /v1/embed HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n"
        b"content-length: 45001\r\n\r\n"
    )
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(_connected(small)) for _ in range(8)]
        for connection in held:
            connection.sendall(head + bytes(45_000))
        time.sleep(0.2)
        last = stack.enter_context(_connected(small))
        last.sendall(head + bytes(45_000))
        answer = last.recv(4096)
        assert b" 503 " in answer
        assert b"retry-after: 1" in answer.lower()
    time.sleep(1.2)
    answer = httpx.post(f"{small}/v1/embed", content=b"x", headers={"content-type": "image/png"})
    assert answer.status_code == 422  # there is room again


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 200_000,
    ],
)
def test_what_is_no_http_does_no_harm(small: str, raw: bytes) -> None:
    with _connected(small) as connection, contextlib.suppress(OSError):
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
    assert httpx.get(f"{small}/healthz").status_code == 200


@contextlib.contextmanager
def _connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        yield connection


# -- keys


def test_keys_come_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"# for the shop\n{KEY}\n\n")
    keys = read_keys(file, {KEYS_VARIABLE: f" {OTHER} ,"})
    assert keys.name_of(KEY) == "key-2"
    assert keys.name_of(OTHER)
    assert keys.name_of("# for the shop") is None
    assert keys.name_of(None) is None
    assert KEY not in repr(keys)
    assert not read_keys(None, {})


def test_useless_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fewer than 16 characters"):
        Keys.of(["secret"])
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    with pytest.raises(UsageError, match="holds no key"):
        read_keys(empty, {})
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(tmp_path / "missing.txt", {})


def test_a_mark_at_the_beginning_of_the_file_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"{KEY}\n{OTHER}\n", encoding="utf-8-sig")
    assert read_keys(file, {}).name_of(KEY)


@pytest.mark.parametrize(
    "key", ["schlüssel-zum-laden", "0123456789\x00abcdef", "0123456789\udcffabcdef"]
)
def test_keys_that_no_header_carries_are_refused(key: str) -> None:
    with pytest.raises(UsageError, match="printable ASCII"):
        read_keys(None, {KEYS_VARIABLE: key})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "photos.example"])
def test_beyond_this_machine_a_key_is_needed_unless_it_is_said_twice(host: str) -> None:
    with pytest.raises(UsageError, match="everybody"):
        require_key(host, keys=False, open_to_all=False)
    require_key(host, keys=True, open_to_all=False)
    require_key(host, keys=False, open_to_all=True)
    for own in ("127.0.0.1", "localhost", "::1"):
        require_key(own, keys=False, open_to_all=False)


def test_refusals_are_json_whatever_is_in_them() -> None:
    from http import HTTPStatus

    from clr_search.web.problems import Problem

    body = Problem(HTTPStatus.NOT_FOUND, "no \udcff ä").body()
    assert json.loads(body)["detail"] == "no \udcff ä"


def test_a_failure_is_told_without_its_reason_and_counted(
    collection: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    with Index.open(collection) as index, serving(Service(index)) as url:
        with monkeypatch.context() as context:
            context.setattr(Index, "search", fail)
            answer = httpx.post(f"{url}/v1/search", json={"ids": [1]})
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "secret" in caplog.text
        counted = httpx.get(f"{url}/metrics").text
        assert 'clr_search_requests_total{route="/v1/search",status="500"} 1.0' in counted


def test_a_collection_that_cannot_be_read_is_not_ready(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Index) -> int:
        raise ClrSearchError("damaged")

    with Index.open(collection) as index, serving(Service(index)) as url:
        with monkeypatch.context() as context:
            context.setattr(Index, "__len__", fail)
            becomes_ready(url, ready=False)
        becomes_ready(url)
