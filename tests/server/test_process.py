"""The service as a process: its log, keys that change, and restarts that refuse nobody."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

KEY, NEW = "0123456789abcdef-mobile", "fedcba9876543210-shop"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and descriptors of POSIX")


class Process:
    """A service that was started with some options, and what it says on stderr."""

    def __init__(self, collection: Path, *options: str, said: Path, **more: Any) -> None:
        self._said = said
        with said.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "clr_search", "serve", str(collection), *options],
                stderr=stderr,
                **more,
            )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def said(self) -> str:
        return self._said.read_text("utf-8")

    def wait_for(self, pattern: str, text: Path | None = None) -> re.Match[str]:
        """Wait until it has said something that matches."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(pattern, (text or self._said).read_text("utf-8"))
            if found:
                return found
            assert self._process.poll() is None, self.said()
            time.sleep(0.02)
        raise AssertionError(f"{pattern} was never said in:\n{self.said()}")

    def url(self) -> str:
        return self.wait_for(r"at (http://127\.0\.0\.1:\d+) ")[1]

    def stop(self) -> int:
        """Stop it as a supervisor does; return its exit code."""
        self._process.terminate()
        return self._process.wait(40)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def started(collection: Path, *options: str, said: Path, **more: Any) -> Iterator[Process]:
    process = Process(collection, "--port", "0", *options, said=said, **more)
    try:
        yield process
    finally:
        process.kill()


EVIL = "/v1/evil%0A2026%1B%5B2J%E2%80%AE\u00e4"


def test_the_log_as_json(collection: Path, tmp_path: Path) -> None:
    """Each line is an object; nothing that a request says stands in it as it was sent."""
    keys, said = tmp_path / "keys.txt", tmp_path / "said"
    keys.write_text(f"mobile: {KEY}\n")
    with started(collection, "--keys", str(keys), "--log-format", "json", said=said) as process:
        url, headers = process.url(), {"x-api-key": KEY}
        httpx.head(f"{url}/v1/items/1", headers=headers)
        httpx.post(f"{url}/v1/search?secret=1", json={"ids": [1]}, headers=headers)
        httpx.get(url + EVIL, headers=headers)
        httpx.get(f"{url}/v1/model", headers={"x-api-key": "wrong-key-of-somebody"})
        httpx.get(f"{url}/healthz", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"})
        httpx.get(f"{url}/healthz", headers={"x-forwarded-for": "evil"})
        assert process.stop() == 0
    text = said.read_text("utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    assert text.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert "secret" not in text
    assert KEY not in text
    assert "wrong-key" not in text
    requests = [entry for entry in entries if entry["event"] == "request"]
    assert [(one["method"], one["route"], one["status"], one["key"]) for one in requests] == [
        ("HEAD", "/v1/items/{number}", 200, "mobile"),
        ("POST", "/v1/search", 200, "mobile"),
        ("GET", "/v1/evil%0A2026%1B%5B2J%E2%80%AE%C3%A4", 404, "mobile"),
        ("GET", "/v1/model", 401, ""),
        ("GET", "/healthz", 200, ""),
        ("GET", "/healthz", 200, ""),
    ]
    search = requests[1]
    assert search["received"] == len(b'{"ids":[1]}')
    assert search["sent"] > 100
    assert search["ms"] > 0
    assert [one["client"] for one in requests[-2:]] == ["203.0.113.7", "127.0.0.1"]
    assert [one["via"] for one in requests[-2:]] == ["127.0.0.1", ""]
    assert {entry["level"] for entry in entries} == {"info"}
    assert any("Serving" in entry.get("message", "") for entry in entries)


def test_the_log_as_text_in_a_file_that_is_moved_away(collection: Path, tmp_path: Path) -> None:
    file, said = tmp_path / "access.log", tmp_path / "said"
    with started(collection, "--log-file", str(file), said=said) as process:
        url = process.url()
        httpx.get(url + EVIL)
        process.wait_for("evil", file)
        file.rename(tmp_path / "access.log.1")
        httpx.get(f"{url}/healthz")
        httpx.get(f"{url}/v1/items/999")
        process.wait_for("items", file)
    first = (tmp_path / "access.log.1").read_text()
    assert re.fullmatch(
        r"\S+Z info GET /v1/evil%0A2026%1B%5B2J%E2%80%AE%C3%A4 404 \d+\.\d ms, 0 bytes in, "
        r"\d+ out, from 127\.0\.0\.1\n",
        first,
    )
    lines = file.read_text().splitlines()
    assert [line.split()[3:5] for line in lines] == [
        ["/healthz", "200"],
        ["/v1/items/{number}", "404"],
    ]
    assert "evil" not in process.said()


def test_without_these_options_requests_are_not_logged(collection: Path, tmp_path: Path) -> None:
    with started(collection, said=tmp_path / "said") as process:
        httpx.get(f"{process.url()}/healthz")
        assert process.stop() == 0
        assert "healthz" not in process.said()


def test_a_log_that_cannot_be_written_is_named(collection: Path, tmp_path: Path) -> None:
    with started(
        collection, "--log-file", str(tmp_path / "none" / "a.log"), said=tmp_path / "said"
    ) as process:
        assert process._process.wait(60) == 2
        assert "none/a.log cannot be written" in process.said()


def test_keys_are_read_anew_on_a_hangup(collection: Path, tmp_path: Path) -> None:
    keys, said = tmp_path / "keys.txt", tmp_path / "said"
    keys.write_text(f"{KEY}\n")

    def status(key: str) -> int:
        return httpx.get(f"{url}/v1/model", headers={"x-api-key": key}).status_code

    with started(collection, "--keys", str(keys), said=said) as process:
        url = process.url()
        assert (status(KEY), status(NEW)) == (200, 401)
        keys.write_text(f"shop: {NEW}\nmobile: {KEY}\n")
        process.send(signal.SIGHUP)
        process.wait_for("Keys accepted now: 2")
        assert (status(KEY), status(NEW)) == (200, 200)
        keys.write_text(f"shop: {NEW}\n")
        process.send(signal.SIGHUP)
        process.wait_for("Keys accepted now: 1")
        assert (status(KEY), status(NEW)) == (401, 200)
        for wrong in ("", "short\n"):
            keys.write_text(wrong)
            process.send(signal.SIGHUP)
            process.wait_for("stay as they were" if not wrong else "fewer than 16")
            assert (status(KEY), status(NEW)) == (401, 200)
        keys.unlink()
        process.send(signal.SIGHUP)
        process.wait_for("cannot be read")
        assert status(NEW) == 200
        assert process.stop() == 0


def test_a_hangup_without_keys_ends_nothing(collection: Path, tmp_path: Path) -> None:
    with started(collection, said=tmp_path / "said") as process:
        url = process.url()
        process.send(signal.SIGHUP)
        process.wait_for("Keys accepted now: 0")
        assert httpx.get(f"{url}/readyz").status_code == 200


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http"}
os.execv(sys.executable, [sys.executable, "-m", "clr_search", "serve", *sys.argv[2:]])
"""


class Supervised:
    """A service that is started with a socket which its supervisor keeps, as systemd does."""

    def __init__(self, collection: Path, door: socket.socket, *options: str, said: Path) -> None:
        number = door.fileno()
        with said.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HAND_OVER, str(number), str(collection), *options],
                stderr=stderr,
                pass_fds=[number, 3] if number != 3 else [number],
            )


class Asking:
    """Clients that ask all the time, from threads, and what they are answered."""

    def __init__(self, url: str) -> None:
        self.answers: list[int | str] = []
        self._url, self._done = url, threading.Event()
        self._threads = [
            threading.Thread(target=ask) for ask in (self._anew, self._anew, self._on_and_on)
        ]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _anew(self) -> None:
        """Ask by a connection for each request."""
        while not self._done.is_set():
            with httpx.Client(timeout=60) as client:
                self._ask(client)

    def _on_and_on(self) -> None:
        """Ask by one connection that is kept."""
        with httpx.Client(timeout=60) as client:
            while not self._done.is_set():
                self._ask(client)

    def _ask(self, client: httpx.Client) -> None:
        try:
            answer = client.post(f"{self._url}/v1/search", json={"ids": [1]})
            self.answers.append(answer.status_code)
        except httpx.HTTPError as error:
            self.answers.append(repr(error))

    def wait_for(self, count: int) -> None:
        """Wait for so many further answers."""
        deadline, before = time.monotonic() + 60, len(self.answers)
        while len(self.answers) < before + count:
            assert time.monotonic() < deadline, self.answers
            time.sleep(0.01)


def test_a_restart_refuses_nobody(collection: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with socket.create_server(("127.0.0.1", 0), backlog=256) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        service = Supervised(collection, door, said=said).process
        try:
            assert httpx.get(f"{url}/readyz", timeout=60).status_code == 200
            with Asking(url) as clients:
                for _ in range(2):
                    clients.wait_for(30)
                    service.send_signal(signal.SIGTERM)
                    assert service.wait(40) == 0
                    service = Supervised(collection, door, said=said).process
                clients.wait_for(30)
        finally:
            service.kill()
            service.wait()
    assert set(clients.answers) == {200}, said.read_text()
    assert said.read_text().count("Stopped.") == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_a_socket_beyond_this_machine_needs_a_key_too(
    collection: Path, tmp_path: Path, host: str
) -> None:
    said = tmp_path / "said"
    with socket.create_server((host, 0)) as door:
        service = Supervised(collection, door, said=said).process
        try:
            if host == "0.0.0.0":
                assert service.wait(60) == 2
                assert "On 0.0.0.0 everybody in the network could search" in said.read_text()
            else:
                port = door.getsockname()[1]
                answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60)
                assert answer.status_code == 200
        finally:
            service.kill()
            service.wait()
