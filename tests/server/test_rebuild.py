"""The service while its collection is rebuilt with another encoder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from clr_search import images
from clr_search.errors import UsageError
from clr_search.images.isolation import DecodingWorkers
from clr_search.index import Index, encoder_file
from clr_search.index.encoder_file import WrongEncoderError
from clr_search.serve import Encoder
from clr_search.server.routes import Service
from tests.server.conftest import serving
from tests.tiny import write_tiny_encoder


@pytest.fixture
def photo(pictures: Path) -> Path:
    return next(pictures.rglob("*.png"))


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An encoder of another size, with vectors of another length."""
    return write_tiny_encoder(tmp_path / "other.onnx", seed=1, size=48, dimension=24)


@pytest.fixture
def path(tmp_path: Path, pictures: Path, tiny_encoder: Path) -> Path:
    path = tmp_path / "c.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([pictures])
    return path


@pytest.fixture
def url(path: Path) -> Iterator[str]:
    with Index.open(path) as index, serving(Service(index)) as address:
        yield address


def rebuild(path: Path, encoder: Path) -> None:
    with Index.create(path) as index:
        index.rebuild(encoder)


def embed(url: str, photo: Path) -> httpx.Response:
    headers = {"content-type": "image/png"}
    return httpx.post(f"{url}/v1/embed", content=photo.read_bytes(), headers=headers, timeout=30)


def wait_for_encoder(url: str, sha256: str) -> None:
    deadline = time.monotonic() + 20
    while httpx.get(f"{url}/v1/model").json()["sha256"] != sha256:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_request_in_flight_is_answered_by_the_encoder_that_it_names(
    url: str, path: Path, photo: Path, other: Path, tiny_encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    old, new = Encoder(tiny_encoder), Encoder(other)
    begun, release = threading.Event(), threading.Event()
    true = DecodingWorkers.decode_square

    def slow(*args: Any, **options: Any) -> images.Picture:
        if threading.current_thread().name.startswith("inference"):
            begun.set()
            assert release.wait(20)
        return true(*args, **options)

    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as context:
            context.setattr(DecodingWorkers, "decode_square", slow)
            answering = pool.submit(embed, url, photo)
            assert begun.wait(20)
        rebuild(path, other)
        wait_for_encoder(url, new.sha256)
        release.set()
        answer = answering.result(20)
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == old.sha256
    np.testing.assert_allclose(answer.json()["embeddings"], old.encode(photo), atol=1e-5)
    following = embed(url, photo).json()
    assert following["model"] == new.sha256
    np.testing.assert_allclose(following["embeddings"], new.encode(photo), atol=1e-5)


@pytest.mark.parametrize(
    "failure", [WrongEncoderError("missing"), UsageError("gone"), FileNotFoundError("gone")]
)
def test_while_its_file_is_renamed_the_service_is_busy_and_goes_on_then(
    url: str, path: Path, photo: Path, other: Path, failure: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(*_: object) -> Encoder:
        raise failure

    assert embed(url, photo).status_code == 200
    rebuild(path, other)
    time.sleep(1.1)  # for so long the encoder is not asked for
    with monkeypatch.context() as context:
        context.setattr(encoder_file, "load", fail)
        search = {"ids": [1], "like": [1]}
        assert httpx.post(f"{url}/v1/search", json=search).status_code == 200  # needs none
        for answer in (embed(url, photo), httpx.get(f"{url}/v1/model")):
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"] == "1"
            assert "encoder" in answer.json()["detail"]
    assert embed(url, photo).json()["model"] == Encoder(other).sha256


def test_the_new_encoder_is_loaded_once_and_where_nobody_waits_for_the_loop(
    url: str, path: Path, photo: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    true = Encoder.with_threads

    def told(self: Encoder, threads_: int) -> Encoder:
        threads.append(threading.current_thread().name)
        self.path.unlink(missing_ok=True)  # what was read once is not read again
        return true(self, threads_)

    assert embed(url, photo).status_code == 200
    rebuild(path, other)
    time.sleep(1.1)
    monkeypatch.setattr(Encoder, "with_threads", told)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: embed(url, photo), range(6)))
    assert {answer.json()["model"] for answer in answers} == {Encoder(other).sha256}
    assert len(threads) == 1
    assert threads[0].startswith("lookup")
