"""Fixtures shared by all stages."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from clr_search.files.own import OwnFile
from tests.tiny import write_pictures, write_tiny_encoder


def pytest_configure() -> None:
    """Let Ctrl-C reach the programs that tests start.

    A shell starts its background jobs with SIGINT ignored, and what is ignored is inherited.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that none of them runs alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(autouse=True)
def _operators_read_once() -> None:
    """Let all exports of a test process share PyTorch's list of operators.

    PyTorch makes it anew for each export, by parsing 500 functions, which takes half of the time
    that a small network needs. Nothing here adds operators to it.
    """
    module = sys.modules.get("torch.onnx._internal.exporter._registration")
    made = getattr(getattr(module, "ONNXRegistry", None), "from_torchlib", None)
    if module is not None and made is not None and not hasattr(made, "cache_info"):
        module.ONNXRegistry.from_torchlib = staticmethod(cache(made))


_curves: dict[object, bytes] = {}


@pytest.fixture(autouse=True)
def _curves_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings of a test process share their curves where those differ in values alone.

    Matplotlib takes as long for them as two epochs of a small network, and no test looks at where
    the points lie. Of each number of epochs, and of values that are none or not finite elsewhere,
    the curves are drawn.
    """
    loop = sys.modules.get("clr_search.train.loop")
    if loop is None:
        return
    draw = loop.draw_curves

    def drawn(rows: Sequence[dict[str, Any]], path: OwnFile) -> None:
        kinds = tuple(tuple((k, _kind(value)) for k, value in row.items()) for row in rows)
        if kinds in _curves:
            path.write(_curves[kinds])
        else:
            draw(rows, path)
            _curves[kinds] = path.read_bytes()

    monkeypatch.setattr(loop, "draw_curves", drawn)


def _kind(value: object) -> object:
    """Whether a number can be drawn; of all else, what it is."""
    return math.isfinite(value) if isinstance(value, float | int) else type(value)


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
