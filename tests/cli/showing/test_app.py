"""``app`` and ``demo``: what they hand on."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clr_search.app.access import Access
from clr_search.images.isolation import DecodingLimits
from tests.cli.conftest import Run


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, dict[str, Any]]]:
    """What the app is asked for, instead of serving."""
    import clr_search.app.main

    calls: list[tuple[Path, dict[str, Any]]] = []
    monkeypatch.setattr(
        clr_search.app.main, "launch", lambda path, **rest: calls.append((path, rest))
    )
    return calls


def test_app(run: Run, collection: Path, launched: list[Any]) -> None:
    usual = {"decoding": DecodingLimits(seconds=30), "access": Access()}
    run("app", collection)
    run("app", collection, "--probe", "p.onnx", "--host", "::1", "--port", "81", "--no-browser")
    assert launched == [
        (
            collection,
            {"probe": None, "run": None, "host": "127.0.0.1", "port": None, "open_browser": True}
            | usual,
        ),
        (
            collection,
            {"probe": Path("p.onnx"), "run": None, "host": "::1", "port": 81, "open_browser": False}
            | usual,
        ),
    ]
    result = run("app", collection, "--port", "65536", exit_code=2)
    assert "Invalid value for '--port': 65536 is more than 65535." in result.stderr


def test_without_gradio_the_extra_is_named(
    run: Run, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert run("app", collection, exit_code=2).stderr == (
        f"Opening {collection} …\n"
        "Error: This needs gradio, which is not installed.\n"
        "Install it with: pip install 'clr-search[app]'\n"
    )


@dataclass
class FakeReport:
    """As `DemoReport`, as far as the command looks at it."""

    collection: Path = Path("clr-demo/collection.clr")
    probe: Path | None = None

    def to_json(self) -> dict[str, Any]:
        return {"out": "clr-demo"}

    def table(self) -> str:
        return "a table"


@pytest.fixture
def demonstrated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the demo is asked for, instead of training."""
    import clr_search.demo.run

    calls: list[tuple[Any, ...]] = []

    def fake(images: Path | None, out: Path, **rest: Any) -> FakeReport:
        calls.append((images, out, rest["seconds"], rest["seed"], rest["force"]))
        return FakeReport()

    monkeypatch.setattr(clr_search.demo.run, "run_demo", fake)
    return calls


def test_demo(run: Run, pictures: Path, demonstrated: list[Any], launched: list[Any]) -> None:
    assert run("demo").stdout == "a table\n"
    options = ("--out", "x", "--seconds", "0.5", "--seed", "3", "--force", "--json")
    assert json.loads(run("demo", pictures, *options).stdout) == {"out": "clr-demo"}
    assert demonstrated == [
        (None, Path("clr-demo"), 60, 0, False),
        (pictures, Path("x"), 0.5, 3, True),
    ]
    assert launched == [], "there is no terminal"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--seconds", "0"), "'--seconds': 0 is not a number greater than 0."),
        (("--seed", "-1"), "'--seed': -1 is less than 0."),
        (("nowhere",), "Path 'nowhere' does not exist."),
    ],
)
def test_wrong_use(run: Run, options: tuple[str, ...], complaint: str) -> None:
    assert complaint in run("demo", *options, exit_code=2).stderr
