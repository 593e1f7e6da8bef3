"""Hostile pictures cost the service a worker, never the service, and hold up nobody for long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
import pytest

from bench.costly import saved
from clr_search.images.isolation import DecodingLimits
from clr_search.index import Index
from clr_search.serve import Encoder
from clr_search.server.routes import Service
from clr_search.server.settings import Limits
from tests.images.isolation.hostile import do, obedient
from tests.server.conftest import serving


@pytest.fixture
def photo(pictures: Path) -> Path:
    """A good picture."""
    return next(pictures.rglob("*.png"))


@pytest.fixture
def url(collection: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A service whose workers do what files say."""
    obedient(monkeypatch)
    limits = Limits(decoding=DecodingLimits(seconds=4))
    with Index.open(collection) as index, serving(Service(index, limits=limits)) as address:
        yield address


def embed(url: str, data: bytes) -> httpx.Response:
    """The answer to one picture."""
    return httpx.post(f"{url}/v1/embed", files=[("images", data)], timeout=60)


@pytest.mark.parametrize("deed", ["crash", "loop", "exit", "wrong-size"])
def test_a_picture_that_harms_its_worker_is_refused_and_the_next_is_embedded(
    url: str, deed: str, photo: Path, tiny_encoder: Path
) -> None:
    answer = embed(url, do(deed))
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Picture 1 cannot be used: ")
    good = embed(url, photo.read_bytes())
    np.testing.assert_allclose(
        good.json()["embeddings"], Encoder(tiny_encoder).encode(photo), atol=1e-5
    )


def test_hostile_pictures_leave_room_for_others(url: str, photo: Path) -> None:
    with ThreadPoolExecutor(12) as threads:
        hostile = [threads.submit(embed, url, do("loop")) for _ in range(4)]
        honest = [threads.submit(embed, url, photo.read_bytes()) for _ in range(4)]
        looks = 0
        while not all(future.done() for future in hostile):
            assert httpx.get(f"{url}/readyz", timeout=20).status_code == 200
            looks += 1
            time.sleep(0.05)
        assert looks
        assert {future.result().status_code for future in hostile} == {422}
        assert {future.result().status_code for future in honest} == {200}


def test_large_pictures_do_not_hold_up_small_ones(url: str, photo: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        # Each sleeps for as long as the clock allows, in a picture that counts as a large one.
        hostile = [threads.submit(embed, url, do("sleep-large")) for _ in range(4)]
        time.sleep(1)
        assert embed(url, photo.read_bytes()).status_code == 200
        assert not any(future.done() for future in hostile)
        assert {future.result().status_code for future in hostile} == {422}


def test_a_large_picture_is_embedded_as_any_other(url: str, tiny_encoder: Path) -> None:
    data = saved("PNG", (2500, 2000))
    answer = embed(url, data)
    assert answer.status_code == 200, answer.text
    part = httpx.post(
        f"{url}/v1/embed", files=[("images", data), ("images", saved("JPEG"))], timeout=60
    )
    assert len(part.json()["embeddings"]) == 2


def test_no_process_is_left(collection: Path, photo: Path) -> None:
    before = _children()
    with Index.open(collection) as index, serving(Service(index)) as address:
        assert embed(address, photo.read_bytes()).status_code == 200
        assert _children() > before
    assert _children() <= before


def _children() -> set[str]:
    """Processes that this one has started."""
    tasks = Path("/proc/self/task")
    if not tasks.exists():
        pytest.skip("only Linux tells the children of a process")
    children: set[str] = set()
    for task in tasks.iterdir():
        with suppress(FileNotFoundError):  # The thread has ended; another one has its children.
            children.update((task / "children").read_text().split())
    return children


def test_the_limits_of_decoding_reach_the_workers_of_the_service(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the options of the command to the pool, whose own tests say what it does by them."""
    from click.testing import CliRunner

    from clr_search.cli.main import main
    from clr_search.server import engine, server

    given: list[DecodingLimits] = []
    workers = engine.DecodingWorkers

    def noted(count: int, limits: DecodingLimits) -> object:
        given.append(limits)
        return workers(count, limits)

    monkeypatch.setattr(engine, "DecodingWorkers", noted)
    monkeypatch.setattr(server, "run", lambda service, *rest, **more: server.configured(service))
    options = ["--decode-memory", "123MiB", "--decode-seconds", "4.5"]
    result = CliRunner().invoke(main, ["serve", str(collection), *options])
    assert result.exit_code == 0, result.output
    assert given == [DecodingLimits(123 * 2**20, 4.5)]
