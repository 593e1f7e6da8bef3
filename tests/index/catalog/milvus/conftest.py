"""The three places of a collection: a folder, a file of milvus-lite, and a real server."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from clr_search.index import Index
from clr_search.index.catalog.milvus.address import TOKEN
from tests.index.catalog.milvus.made import add_odd_ones, tell

PLACES = ("folder", "lite", "server")

Name = Callable[[str], str]
"""Makes the address of a collection of a name, in one of the three places."""

ROOT_TOKEN = "root:Milvus"  # what a new server takes


@dataclass
class SharedServer:
    """A server of the package `milvus`, which the processes of a test run share."""

    folder: Path
    names: Iterator[int] = field(default_factory=count)

    def state(self) -> dict[str, int]:
        """Port and process of the server, once it answers."""
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            try:
                found: dict[str, int] = json.loads((self.folder / "state.json").read_text())
                return found
            except (FileNotFoundError, ValueError):
                time.sleep(0.1)
        raise AssertionError((self.folder / "starting.log").read_text() or "it does not start")

    def address(self, name: str, options: str = "") -> str:
        return f"milvus://127.0.0.1:{self.state()['port']}/{name}_{os.getpid()}{options}"

    @contextmanager
    def held(self, *, alone: bool = False) -> Iterator[None]:
        """Keep others from killing the server; `alone` waits until no other test uses it."""
        with (self.folder / "tests.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> SharedServer:
    """One server for all processes of the test run, which ends when they do."""
    if importlib.util.find_spec("milvus") is None:
        pytest.skip("the package milvus, with the server, is not installed")
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "milvus-server"
    (folder / "users").mkdir(parents=True, exist_ok=True)
    (folder / "users" / str(os.getpid())).touch()
    with (folder / "starting.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (folder / "started").exists():
            command = [sys.executable, "-m", "bench.milvus_server", folder, "--shared", "--token"]
            output = (folder / "starting.log").open("w")
            subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
            (folder / "started").touch()
    server = SharedServer(folder)
    server.state()
    return server


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep replicas and encoders of tests out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLR_SEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv(TOKEN, ROOT_TOKEN)
        yield


@pytest.fixture
def server(shared_server: SharedServer) -> Iterator[SharedServer]:
    """The server, which nobody kills meanwhile."""
    with shared_server.held():
        yield shared_server


@pytest.fixture(params=PLACES[1:])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Name]:
    """Milvus in both its forms."""
    yield from named(request, tmp_path)


def named(request: pytest.FixtureRequest, folder: Path) -> Iterator[Name]:
    """The maker of addresses in the place that a fixture is parametrised with."""
    if request.param == "folder":
        yield lambda name: str(folder / f"{name}.clr")
    elif request.param == "lite":
        yield lambda name: f"milvus+file:{folder / 'all.db'}/{name}"
    else:
        shared: SharedServer = request.getfixturevalue("shared_server")
        with shared.held():
            # The least consistency that a single process cannot tell from the strongest.
            yield lambda name: shared.address(name, "?consistency=session")


@pytest.fixture(scope="module")
def odd_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in three folders, with two copies, odd names, and what is no picture."""
    return add_odd_ones(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module")
def twin(
    tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path, odd_pictures: Path
) -> Iterator[Index]:
    """The collection in a folder that all others are held against."""
    with Index.create(tmp_path_factory.mktemp("twin") / "twin.clr", tiny_encoder) as index:
        tell(index, odd_pictures)
        yield index


@pytest.fixture(scope="module", params=PLACES)
def filled(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_encoder: Path,
    odd_pictures: Path,
) -> Iterator[Index]:
    """The same collection in each of the three places, made by the same calls."""
    for name in named(request, tmp_path_factory.mktemp(request.param)):
        with Index.create(name("filled"), tiny_encoder) as index:
            tell(index, odd_pictures)
        with Index.open(name("filled")) as index:
            yield index
