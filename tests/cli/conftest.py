"""A runner, and small artefacts that commands read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clr_search.cli.main import main

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command in `tmp_path`: `run("search", collection, query, exit_code=2)`.

    Where several exit codes are right, `any_of=(0, 2)` names them.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    runner = CliRunner()

    def invoke(*arguments: object, exit_code: int = 0, any_of: Sequence[int] = ()) -> Result:
        result = runner.invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code in (any_of or (exit_code,)), f"{result.exit_code}\n{result.output}"
        return result

    return invoke


def build(pictures: Path, encoder: Path, collection: Path) -> Path:
    """Index pictures by the command itself."""
    arguments = ["build-index", pictures, "--index", collection, "--encoder", encoder]
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return collection


@pytest.fixture(scope="session")
def collection(
    pictures: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A collection of `pictures`; read-only, shared by tests."""
    return build(pictures, tiny_encoder, tmp_path_factory.mktemp("collection") / "pictures.clr")


@pytest.fixture
def own(pictures: Path, tiny_encoder: Path, tmp_path: Path) -> Path:
    """A collection that a test may change, of a copy of `pictures` in the folder `mine`."""
    shutil.copytree(pictures, tmp_path / "mine")
    return build(tmp_path / "mine", tiny_encoder, tmp_path / "own.clr")


@pytest.fixture(scope="session")
def probe(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of the three colours; read-only."""
    out = tmp_path_factory.mktemp("probe") / "probe.onnx"
    result = CliRunner().invoke(main, ["probe", str(collection), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A file with the name of a picture."""
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture at all")
    return path
