"""Writers killed at failpoints and at random instants; the long run is `python -m bench.crash`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.crash.harness import Scenario, Writers, crash, prepare
from bench.crash.operations import EXACT_ITEMS, KINDS, OPERATIONS, PHOTOS, after_start
from bench.crash.writer import CONTENT, digest
from clr_search.index import Index
from clr_search.index.ann import structures

AT_FAILPOINTS, IN_POWER_CUTS, AT_RANDOM = 5, 2, 1
"""Kills of each operation."""


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    with Writers() as running:
        yield running


@pytest.fixture(scope="module", params=OPERATIONS)
def scenario(
    request: pytest.FixtureRequest, writers: Writers, tmp_path_factory: pytest.TempPathFactory
) -> Scenario:
    return prepare(request.param, tmp_path_factory.mktemp(request.param), writers)


def test_the_operation_passes_what_can_go_wrong(scenario: Scenario) -> None:
    """Else the kills below would prove nothing."""
    met = set(scenario.failpoints)
    assert {"transaction begun", "statement", "before the commit", "committed"} <= met
    if scenario.operation in ("relocate", "remark", "mend", "repair"):  # no structure is made anew
        assert len(set(scenario.states)) >= 3
        assert ("before renaming to catalog.sqlite" in met) == (scenario.operation == "repair")
        return
    if scenario.operation != "retire":
        assert {
            "half of faiss written",
            "half of 1.vectors written" if scenario.operation == "build" else "faiss written",
            "renamed to faiss",
            "file fsynced",
            "folder fsynced",
        } <= met
    if scenario.operation == "rebuild":
        assert {"before renaming to encoder.onnx", "before compacting"} <= met
    if scenario.operation != "build":
        assert "before deleting faiss" in met
    if scenario.operation == "migrate":
        assert "statement" in scenario.failpoints[:3]  # before anything else
    assert len(scenario.states) >= 3
    # That the folders were looked at once more changes a time alone, which differs in every run.
    assert len(set(scenario.states)) >= len(scenario.states) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_bench_makes_each_kind_of_structure(
    kind: str, writers: Writers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("build", tmp_path, writers, kind)
    monkeypatch.setattr(structures, "EXACT_ITEMS", EXACT_ITEMS)
    with Index.open(tmp_path / "whole.clr") as index:
        assert kind in index.info().structure


@pytest.mark.parametrize("power", [False, True], ids=["kill", "power cut"])
def test_killed_at_a_failpoint(
    scenario: Scenario, writers: Writers, tmp_path: Path, power: bool
) -> None:
    """Evenly over all, others for kill and power cut; and at each step of a migration."""
    count = IN_POWER_CUTS if power else AT_FAILPOINTS
    total = len(scenario.failpoints)
    first = total // (4 * count) if power else 0
    deadly_ones = set(range(first, total, -(-total // count)))
    if scenario.operation == "migrate" and not power:
        deadly_ones |= set(range(scenario.failpoints.index("committed") + 1))
    for deadly in sorted(deadly_ones):
        name = scenario.failpoints[deadly]
        assert crash(scenario, tmp_path, writers, deadly=deadly, power=power), name


def test_killed_at_a_random_instant(scenario: Scenario, writers: Writers, tmp_path: Path) -> None:
    chance = random.Random(scenario.operation)
    for _ in range(AT_RANDOM):
        crash(scenario, tmp_path, writers, seconds=chance.uniform(0.01, 0.3))


def test_a_folder_that_changes_between_a_kill_and_the_next_run(
    writers: Writers, tmp_path: Path
) -> None:
    """Pictures that were embedded before the kill are new, changed, gone or moved after it."""
    scenario = prepare("build", tmp_path, writers)
    killed, fresh, photos = tmp_path / "killed.clr", tmp_path / "fresh.clr", tmp_path / PHOTOS
    job = scenario.job | {"collection": str(killed)}
    for share in (0.3, 0.6):
        assert writers.run(job | {"deadly": int(share * len(scenario.failpoints))})["killed"]
    before = digest(killed, CONTENT)
    after_start("update", photos, killed)
    writers.run(job)
    writers.run(job | {"collection": str(fresh)})
    assert before != digest(killed, CONTENT) == digest(fresh, CONTENT)
