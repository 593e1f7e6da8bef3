"""Runs of strangers: no link is followed out of them, and no pipe is waited for."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from clr_search.cli.main import main
from clr_search.files.nofollow import NotOursError
from clr_search.files.own import OwnFolder
from clr_search.train import TrainConfig, train, write_initial_run
from clr_search.train.begin import _make_room
from clr_search.train.checkpoint import CHECKPOINT
from clr_search.train.monitor.metrics import METRICS

CONFIG = TrainConfig(
    device="cpu", epochs=1, batch_size=8, image_size=32, cache_size=32, width=0.25, knn_every=0
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = write_initial_run(CONFIG, tmp_path / "run")
    (OwnFolder(path) / CHECKPOINT).write(b"none")
    (OwnFolder(path) / "cache/pixels.u8").write(b"none")
    return path


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    for name in ("thesis.txt", "last.safetensors", "pixels.u8", "pixels.json"):
        (tmp_path / "mine" / name).write_text("my thesis")
    return tmp_path / "mine"


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    """Nothing waits for a pipe."""
    signal.alarm(60)
    yield
    signal.alarm(0)


def put(kind: str, path: Path, mine: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(mine / "thesis.txt" if path.suffix else mine)


def state(mine: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in mine.iterdir()}


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "weights.safetensors"])
def test_commands_refuse_it_by_name(name: str, kind: str, run: Path, mine: Path) -> None:
    put(kind, run / name, mine)
    before = state(mine)
    for command in (["info", str(run)], ["export", str(run), "--out", f"{run}.onnx"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 1
        assert f"{name} is a {kind}" in result.output
        assert state(mine) == before


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize(
    "name", ["config.json", "metrics.jsonl", "checkpoints", "checkpoints/last.safetensors"]
)
def test_resuming_refuses_it(name: str, kind: str, run: Path, mine: Path, pictures: Path) -> None:
    put(kind, run / name, mine)
    before = state(mine)
    with pytest.raises(NotOursError, match=f"{Path(name).name} is a {kind}"):
        train([pictures], run, CONFIG, resume=True)
    assert state(mine) == before


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "weights.safetensors"])
def test_force_takes_a_link_away_and_not_what_it_leads_to(name: str, run: Path, mine: Path) -> None:
    put("link", run / name, mine)
    (run / "checkpoints" / "thesis.txt").write_text("my thesis")
    before = state(mine)
    _make_room(run, force=True)
    assert state(mine) == before
    assert [path.name for path in run.iterdir()] == ["checkpoints"]
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("name", ["checkpoints", "cache"])
def test_force_deletes_nothing_in_a_folder_that_is_a_link(name: str, run: Path, mine: Path) -> None:
    put("link", run / name, mine)
    before = state(mine)
    with pytest.raises(NotOursError, match=f"{name} is a link"):
        _make_room(run, force=True)
    assert state(mine) == before


def test_a_folder_that_becomes_a_link_while_it_is_used(run: Path, mine: Path) -> None:
    folder = OwnFolder(run)
    put("link", run / "checkpoints", mine)
    with pytest.raises(NotOursError, match="checkpoints is a link"):
        (folder / CHECKPOINT).write(b"new")
    run.rename(run.with_name("moved"))
    run.symlink_to(mine)
    (folder / METRICS).write("")
    assert not (mine / METRICS).exists()
    assert (run.with_name("moved") / METRICS).exists()
