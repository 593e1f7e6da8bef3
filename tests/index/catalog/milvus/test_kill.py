"""Client and server killed with -9: nothing acknowledged is lost, and nothing is there twice.

`bench/milvus_kill.py` does it twenty times.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.milvus_kill import WRITER, rows_there
from clr_search.index import Index
from tests.index.catalog.milvus.conftest import SharedServer
from tests.index.catalog.milvus.made import state
from tests.index.made import write_noise

COUNT = 60


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("noise"), COUNT)


@pytest.fixture(scope="module")
def whole(
    noise: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Index]:
    """What is there where nothing was killed."""
    with Index.create(tmp_path_factory.mktemp("whole") / "whole.clr", tiny_encoder) as index:
        index.update([noise])
        yield index


def writer(address: str, *arguments: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, address, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def until(process: subprocess.Popen[str], committed: int) -> None:
    """Wait until a writer says that so many pictures are committed."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip().isdigit() and int(line) >= committed:
            return
    raise AssertionError(process.communicate()[1])


def finished(process: subprocess.Popen[str]) -> None:
    output, errors = process.communicate(timeout=180)
    assert "done" in output, errors


@pytest.mark.slow
def test_a_killed_client_and_a_killed_server_lose_nothing(
    shared_server: SharedServer, noise: Path, whole: Index, tiny_encoder: Path
) -> None:
    with shared_server.held(alone=True):
        address = shared_server.address("killed")
        first = writer(address, tiny_encoder, noise)
        until(first, 16)
        first.kill()
        first.communicate()
        with Index.open(address) as index:
            assert 16 <= len(index) < COUNT
        second = writer(address, tiny_encoder, noise)
        until(second, 16)
        os.kill(shared_server.state()["pid"], signal.SIGKILL)
        (shared_server.folder / "state.json").unlink(missing_ok=True)
        errors = second.communicate(timeout=180)[1]
        if errors:  # the restart took longer than a minute
            assert "the same command goes on from there" in errors
        shared_server.state()
        finished(writer(address, tiny_encoder, noise))
        with Index.open(address) as index:
            assert state(index) == state(whole)
        assert rows_there(address) == COUNT
