"""Fixtures shared by all stages."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny import write_pictures, write_tiny_encoder


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    A shell starts its background jobs with SIGINT ignored, and what is ignored is inherited.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contract-conforming `encoder.onnx` with a small random network, made without torch."""
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder") / "encoder.onnx")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 classes × 12 small pictures; read-only, shared by tests."""
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a folder one that cannot be listed; staged, since root may list any."""

    def locked(folder: Path) -> None:
        real = os.scandir

        def scandir(path="."):  # type: ignore[no-untyped-def]
            if str(path) == str(folder):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)

    return locked
