"""Trainings that are interrupted, killed, shared between processes, and cut short."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from clr_search.files.exclusive import Exclusive
from clr_search.progress import Silent
from clr_search.train.interruption import Interruption
from clr_search.train.study import workers
from clr_search.train.study.experiment import Cell
from clr_search.train.study.pictures import Pictures
from clr_search.train.study.scope import Scope
from clr_search.train.study.store import CELLS, Store, Training
from clr_search.train.study.work import Worker
from tests.train.study.conftest import BASE
from tests.train.test_loop import Interrupting

pytestmark = pytest.mark.usefixtures("quick")


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


class Heard(Silent):
    """A reporter that keeps its messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def message(self, text: str) -> None:
        self.lines.append(text)


class Killing(Heard):
    """A reporter that waits for the checkpoint of the process beside this one, and kills it."""

    def __init__(self, checkpoint: Path) -> None:
        super().__init__()
        self.checkpoint = checkpoint

    def advance(self, count: int = 1, note: str = "") -> None:
        others = multiprocessing.active_children()
        for _ in range(6000):
            if not others or self.checkpoint.exists():
                break
            time.sleep(0.01)
        for other in others:
            other.kill()
            other.join()


def test_a_killed_process_leaves_its_checkpoint_and_no_claim(
    scope: Scope, found: Pictures, tmp_path: Path
) -> None:
    """Two processes share two trainings; one is killed, and the other goes on where it was."""
    short, long = some(scope, 2, length=1)[0], some(scope, 2, length=60)[1]
    long = replace(long, config=replace(long.config, checkpoint_minutes=1e-3))
    said = Killing(tmp_path / "work" / long.name / "checkpoints" / "last.safetensors")
    outcome = workers.work([short, long], found, tmp_path, jobs=2, reporter=said)
    assert (outcome.done, outcome.interrupted) == (2, False)
    assert said.lines[0] == f"1 of 2: {short.name}"
    assert said.lines[1] == f"2 of 2: {long.name}"
    assert re.fullmatch(r"Going on after epoch \d+, step [1-9]\d*\.", said.lines[2])
    result = Store(tmp_path).result(long)
    assert result is not None
    assert result.cpu_seconds is None


def test_who_has_lost_the_process_that_started_it_stops(found: Pictures, tmp_path: Path) -> None:
    shared = workers._Shared(tmp_path, found, [], 1, os.getppid(), time.time() + 60)
    with Interruption() as interruption:
        assert not workers._stopping(shared, interruption)()
        assert workers._stopping(replace(shared, parent=0), interruption)()
        assert workers._stopping(replace(shared, until=0.0), interruption)()


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
