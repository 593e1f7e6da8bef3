"""The service as people run it, under requests without an end: its memory, and who else waits."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.machine import resident

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is read from /proc"
)

MOST = 100
"""Megabytes that a request may cost, beside the pictures that it carries."""


@pytest.fixture(scope="module")
def service(collection: Path) -> Iterator[tuple[int, int]]:
    """The process and the port of a service that asks for a key."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clr_search", "serve", str(collection), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CLR_SEARCH_API_KEYS": "an example of a long key"},
    )
    try:
        assert process.stderr is not None
        found = re.search(r":(\d+) \(", process.stderr.readline())
        assert found is not None
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process.pid, int(found[1])
    finally:
        process.terminate()
        process.wait(timeout=30)


CHUNKED = b"POST /v1/search HTTP/1.1\r\nhost: a\r\nx-api-key: %b\r\ntransfer-encoding: chunked\r\n"
JSON = b"content-type: application/json\r\n\r\n"

ENDLESS = {
    "trailers": (b"1\r\n{\r\n0\r\n", b"a:b\r\n" * 13_000),
    "chunks": (b"", b"1\r\n{\r\n" * 10_000),
    "body": (b"", b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
    "extension": (b"1;", b"a" * 65_536),
}


@pytest.mark.parametrize("key", [b"a wrong key", b"an example of a long key"])
@pytest.mark.parametrize("kind", list(ENDLESS))
def test_no_connection_costs_much_memory(service: tuple[int, int], kind: str, key: bytes) -> None:
    process, port = service
    before, most = resident(process), 0.0
    first, endless = ENDLESS[kind]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(CHUNKED % key + JSON + first)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 10:
                connection.sendall(endless)
                most = max(most, resident(process))
        assert time.monotonic() - began < 9
    allowed = MOST + (3 * 64 if kind == "body" and key.startswith(b"an") else 0)
    assert most - before < allowed


def test_a_small_body_in_gzip_costs_no_more_than_the_largest_one(service: tuple[int, int]) -> None:
    """A megabyte that unpacks to a gigabyte, of which no more is unpacked than a body may have."""
    process, port = service
    before, most, over = resident(process), [0.0], threading.Event()

    def measure() -> None:
        while not over.wait(0.01):
            most[0] = max(most[0], resident(process))

    measuring = threading.Thread(target=measure)
    measuring.start()
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/search",
        content=gzip.compress(bytes(2**26), 1) * 16,
        headers=headers | {"x-api-key": "an example of a long key"},
        timeout=60,
    )
    over.set()
    measuring.join()
    assert answer.status_code == 413
    assert most[0] - before < MOST + 3 * 64


def test_a_long_label_costs_little_and_is_not_repeated(service: tuple[int, int]) -> None:
    _, port = service
    body = json.dumps({"ids": [1], "filter": {"label": "ab" * 5_000_000}})
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/search",
        content=body,
        headers={"content-type": "application/json", "x-api-key": "an example of a long key"},
        timeout=30,
    )
    assert answer.status_code == 422
    assert len(answer.content) < 1000


def test_many_connections_keep_nobody_out(service: tuple[int, int]) -> None:
    _, port = service
    with contextlib.ExitStack() as stack:
        for _ in range(700):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        for _ in range(5):
            assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=20).status_code == 200
