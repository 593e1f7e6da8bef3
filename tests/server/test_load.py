"""The service under load, told to stop, killed, and over a collection that changes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from clr_search.index import Index
from clr_search.serve import Encoder
from clr_search.server.client import Client, ServiceError
from clr_search.server.routes import Service
from clr_search.server.settings import Limits
from clr_search.web.listening import listen
from tests.server.conftest import serving


@contextmanager
def process(collection: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``clr-search serve`` as its user starts it, and its address."""
    command = [sys.executable, "-m", "clr_search", "serve", str(collection), "--port", "0"]
    with subprocess.Popen(
        [*command, *options], stderr=subprocess.PIPE, text=True, env=os.environ | {"LC_ALL": "C"}
    ) as running:
        try:
            assert running.stderr is not None
            line = running.stderr.readline()
            found = re.search(r"http://\S+", line)
            assert found is not None, line + running.stderr.read()
            yield running, found[0]
        finally:
            running.kill()


def test_answers_belong_to_their_requests_under_load(address: str, tiny_encoder: Path) -> None:
    generator = np.random.default_rng(5)
    pictures = list(generator.integers(0, 256, (40, 40, 52, 3), np.uint8))
    expected = Encoder(tiny_encoder).encode(pictures)
    with Client(address) as client, ThreadPoolExecutor(16) as pool:
        order = [n % 40 for n in range(400)]
        rows = list(pool.map(lambda n: client.embed(pictures[n])[0], order))
    np.testing.assert_allclose(rows, expected[order], atol=1e-5)


def test_beyond_what_may_wait_requests_are_refused_and_the_client_waits(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, begun = threading.Event(), threading.Event()
    true = Encoder.encode_squares

    def slow(self: Encoder, squares: np.ndarray) -> np.ndarray:
        begun.set()
        assert release.wait(20)
        return true(self, squares)

    picture = np.zeros((8, 8, 3), np.uint8)
    limits = replace(Limits(), pending_images=2)
    with Index.open(collection) as index, serving(Service(index, limits=limits)) as url:
        monkeypatch.setattr(Encoder, "encode_squares", slow)
        with Client(url) as client, Client(url, patience=0) as hasty, ThreadPoolExecutor(4) as pool:
            client.model()
            first = pool.submit(client.embed, [picture, picture])
            assert begun.wait(20)
            with pytest.raises(ServiceError) as refusal:
                hasty.embed(picture)
            assert refusal.value.status == 503
            assert "after 1 s" in refusal.value.remedy
            patient = pool.submit(client.embed, picture)
            time.sleep(0.1)
            release.set()
            assert len(first.result(20)) == 2
            assert len(patient.result(20)) == 1
        assert "clr_search_refused_total 2.0" in httpx.get(f"{url}/metrics").text


def test_a_request_never_holds_more_than_may_wait(collection: Path) -> None:
    """It would be refused with 503 for ever, and the client would send it again and again."""
    picture = np.zeros((8, 8, 3), np.uint8)
    limits = replace(Limits(), images=8, pending_images=2)
    with Index.open(collection) as index, serving(Service(index, limits=limits)) as url:
        with Client(url) as client:
            assert client.model()["limits"]["images"] == 2
            assert len(client.embed([picture] * 5)) == 5
            with pytest.raises(ServiceError, match="3 pictures are more than the 2") as refusal:
                client.search(picture, like=[picture, picture])
        assert refusal.value.status == 413


def test_told_to_stop_it_finishes_what_it_took(collection: Path, pictures: Path) -> None:
    photo = next(pictures.rglob("*.png")).read_bytes()
    with process(collection, "--batch-wait", "1000") as (running, url):
        with Client(url) as client, ThreadPoolExecutor(8) as pool:
            client.model()
            answers = [pool.submit(client.embed, photo) for _ in range(8)]
            time.sleep(0.4)  # all of them wait for a fuller batch
            running.send_signal(signal.SIGTERM)
            assert all(len(answer.result(20)) == 1 for answer in answers)
        assert running.wait(20) in {0, -signal.SIGTERM}
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")


def test_killed_and_started_again_it_answers_the_same(collection: Path) -> None:
    answers = []
    for _ in range(2):
        with process(collection) as (running, url), Client(url) as client:
            answers.append(client.search(ids=[1], k=5))
            running.send_signal(signal.SIGKILL)
            running.wait(20)
    assert answers[0] == answers[1]


def test_what_is_added_meanwhile_is_found(
    tmp_path: Path, pictures: Path, tiny_encoder: Path
) -> None:
    path, more = tmp_path / "c.clr", tmp_path / "more"
    more.mkdir()
    with Index.create(path, tiny_encoder) as index:
        index.update([pictures])
    odd = np.random.default_rng(8).integers(0, 256, (60, 60, 3), np.uint8)
    with (
        Index.open(path) as reading,
        serving(Service(reading)) as url,
        Client(url) as client,
    ):
        before = client.search(odd, k=1, include_self=True)
        Image.fromarray(odd).save(more / "odd.png")
        with Index.create(path) as writing:
            writing.add([more])
        after = client.search(odd, k=1, include_self=True)
        assert after[0].path == more / "odd.png"
        assert after[0].score > 0.999 > before[0].score
        assert client.model()["items"] == 37
        with Index.create(path) as writing:
            writing.remove([more])
        assert client.search(odd, k=1, include_self=True) == before


def test_answers_are_not_held_back_by_nagle() -> None:
    """Of a socket without a named protocol, asyncio leaves it on: 40 ms an answer."""
    with listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_told(collection: Path) -> None:
    with process(collection) as (_, url):
        port = url.rpartition(":")[2]
        command = [sys.executable, "-m", "clr_search", "serve", str(collection), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "the port is taken" in done.stderr
    assert "--port" in done.stderr


def test_a_network_without_a_key_is_refused_at_the_command_line(collection: Path) -> None:
    command = [sys.executable, "-m", "clr_search", "serve", str(collection), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--no-key" in done.stderr
