"""A service on a port of this machine, in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clr_search.index import Index
from clr_search.serve import Probe
from clr_search.serve.probe import fit_probe, save_probe
from clr_search.server.routes import Service
from clr_search.server.server import configured
from clr_search.web.accepting import Server
from clr_search.web.listening import listen


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """Its address, while the context lasts."""
    listening = listen("127.0.0.1", 0)
    server = Server(configured(service))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def becomes_ready(url: str, ready: bool = True) -> None:
    """Wait until the service has noticed that it is ready, or that it is not."""
    deadline = time.monotonic() + 20
    wanted = 200 if ready else 503
    while (status := httpx.get(f"{url}/readyz", timeout=20).status_code) != wanted:
        assert status in {200, 503}
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="session")
def collection(
    tmp_path_factory: pytest.TempPathFactory, pictures: Path, tiny_encoder: Path
) -> Path:
    path = tmp_path_factory.mktemp("service") / "pictures.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([pictures])
    return path


@pytest.fixture(scope="session")
def probe(collection: Path) -> Path:
    with Index.open(collection) as index:
        held = index.embeddings()
        fitted = fit_probe(held.vectors, held.labels)
        return save_probe(fitted, index.encoder.path, collection.with_name("probe.onnx"))


@pytest.fixture(scope="package")
def address(collection: Path, probe: Path) -> Iterator[str]:
    with Index.open(collection) as index, serving(Service(index, Probe(probe))) as url:
        yield url


@pytest.fixture(scope="package")
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client
