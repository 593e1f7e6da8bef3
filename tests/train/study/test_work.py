"""Trainings that are interrupted, killed, shared between processes, and cut short."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clr_search.files.exclusive import Exclusive
from clr_search.progress import Silent
from clr_search.train.study import workers
from clr_search.train.study.experiment import Cell
from clr_search.train.study.pictures import Pictures
from clr_search.train.study.scope import Scope
from clr_search.train.study.store import CELLS, Store, Training
from clr_search.train.study.work import Worker
from tests.train.study.conftest import BASE
from tests.train.test_loop import Interrupting


def some(scope: Scope, count: int, length: int = 2) -> list[Training]:
    """Trainings at different temperatures, of one step an epoch."""
    cells = [Cell(f"{n}", replace(BASE, temperature=0.1 * (n + 1))) for n in range(count)]
    return [scope.training(cell, length, 0) for cell in cells]


def kept(out: Path) -> list[str]:
    return sorted(path.stem for path in (out / CELLS).iterdir())


def test_ctrl_c_keeps_what_is_done_and_resumes_exactly(
    scope: Scope, found: Pictures, tmp_path: Path
) -> None:
    trainings = some(scope, 2, length=4)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert workers.work(trainings[1:], found, whole).done == 1
    outcome = workers.work(trainings, found, parts, reporter=Interrupting(6))
    assert (outcome.done, outcome.interrupted) == (1, True)
    assert kept(parts) == [trainings[0].name]
    assert (parts / "work" / trainings[1].name / "checkpoints").exists()
    outcome = workers.work(trainings, found, parts)
    assert (outcome.done, outcome.interrupted, outcome.time_over) == (2, False, False)
    assert list((parts / "work").iterdir()) == []
    first, second = Store(whole).result(trainings[1]), Store(parts).result(trainings[1])
    assert first is not None
    assert second is not None
    assert first.measures == second.measures
    assert first.cpu_seconds is not None
    assert second.cpu_seconds is None  # nobody knows what the first start took


def test_nothing_is_trained_twice(
    scope: Scope, found: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = some(scope, 1, length=1)
    assert workers.work(trainings, found, tmp_path).done == 1
    monkeypatch.setattr(Worker, "_train", lambda *given: pytest.fail("trained again"))
    assert workers.work(trainings, found, tmp_path).done == 1


def test_time_that_is_over_stops_the_work(scope: Scope, found: Pictures, tmp_path: Path) -> None:
    outcome = workers.work(some(scope, 2), found, tmp_path, hours=1e-9)
    assert (outcome.done, outcome.interrupted, outcome.time_over) == (0, False, True)


SIDE_BY_SIDE = """
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study import workers
from clr_search.train.study.pictures import find_pictures
from clr_search.train.study.store import Training

if __name__ == "__main__":
    images, out, *settings = map(Path, sys.argv[1:])
    found = find_pictures([images], [], limit=30, side=16)
    configs = [replace(ResolvedConfig.from_file(s), checkpoint_minutes=1e-3) for s in settings]
    trainings = [Training(config, found.sha256) for config in configs]
    workers.work(trainings, found, out, jobs=2)
"""


def held(store: Store, one: Training) -> bool:
    """Whether a process is at a training."""
    with Exclusive(store.lock(one)) as ours:
        return not ours.held


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is met, a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it has not happened within a minute")


def test_a_killed_process_leaves_checkpoints_and_no_claims(
    pictures: Path, scope: Scope, found: Pictures, tmp_path: Path
) -> None:
    """Two processes share two trainings; the first is killed, so the second stops as well."""
    trainings, out = some(scope, 2, length=400), tmp_path / "out"
    settings = [tmp_path / f"{number}.json" for number in range(2)]
    for path, one in zip(settings, trainings, strict=True):
        path.write_text(one.config.to_json())
    (tmp_path / "work.py").write_text(SIDE_BY_SIDE)
    store = Store(out)
    checkpoints = [out / "work" / o.name / "checkpoints" / "last.safetensors" for o in trainings]
    process = subprocess.Popen(
        [sys.executable, *map(str, [tmp_path / "work.py", pictures, out, *settings])]
    )
    try:
        until(lambda: all(path.exists() for path in checkpoints))
        assert all(held(store, one) for one in trainings)
        assert Worker(store, found, 1, lambda: False, Silent()).work(trainings)  # nothing is free
        assert all(store.result(one) is None for one in trainings)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    until(lambda: not any(held(store, one) for one in trainings))
    said = Heard()
    stopped = iter([False] * 3 + [True] * 9)
    assert not Worker(store, found, 1, lambda: next(stopped), said).work(trainings)
    assert said.lines[1].startswith("Going on after epoch ")
    assert not said.lines[1].startswith("Going on after epoch 0, step 0")


class Heard(Silent):
    """A reporter that keeps its messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


def test_the_first_that_is_free_is_taken(
    scope: Scope, found: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings = some(scope, 3, length=1)
    store = Store(tmp_path)
    with Exclusive(store.lock(trainings[0])):
        order = _order(monkeypatch, store, found, trainings)
    assert order == [trainings[1].name, trainings[2].name]


def _order(
    monkeypatch: pytest.MonkeyPatch, store: Store, found: Pictures, trainings: Sequence[Training]
) -> list[str]:
    from tests.train.study.test_store import RESULT

    order: list[str] = []

    def fake(worker: Worker, one: Training) -> object:
        order.append(one.name)
        return RESULT

    monkeypatch.setattr(Worker, "_train", fake)
    assert Worker(store, found, 1, lambda: False, Silent()).work(trainings)
    return order
