"""From which length on a finding holds, and the page that tells it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from scipy import stats

from clr_search.train.study import design
from clr_search.train.study.design.comparisons import gain, longer_helps
from clr_search.train.study.experiment import Experiment
from clr_search.train.study.report.effects import (
    Effect,
    Results,
    effects,
    gathered,
    sentence,
)
from clr_search.train.study.report.page import write_page
from clr_search.train.study.scope import Scope
from clr_search.train.study.store import Result, Store
from tests.train.study.conftest import BASE


def row(value: float) -> Result:
    return Result({"linear h": value}, 1.0, 1.0, "cpu")


def test_effects_are_paired_by_seed() -> None:
    results = {5: {0: {"a": row(3), "b": row(5)}, 1: {"a": row(9), "b": row(8)}, 2: {"a": row(0)}}}
    (effect,) = effects(gain("", "b", "a"), results, 10_000)
    assert effect.points == (2.0, -1.0)
    assert effect.mean == 0.5
    assert effect.interval == (-1.0, 2.0)  # two seeds: the range
    assert not effect.holds
    assert not effect.fails


def test_the_interval_is_that_of_student() -> None:
    points = (1.0, 2.5, 2.0, 4.0)
    mean, error = sum(points) / 4, stats.sem(points)
    expected = stats.t.interval(0.95, 3, loc=mean, scale=error)
    assert Effect(5, points).interval == pytest.approx(expected, rel=1e-3)
    assert Effect(5, (1.0,)).interval == (1.0, 1.0)
    assert not Effect(5, (1.0,)).holds  # one seed says nothing
    many = tuple(math.sin(n) for n in range(40))
    low, high = Effect(5, many).interval
    wider = stats.t.interval(0.95, 39, loc=sum(many) / 40, scale=stats.sem(many))
    assert low <= wider[0] < wider[1] <= high


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({}, "has not been trained yet"),
        ({5: (1.0,), 60: (9.0,)}, "cannot be told yet: one seed"),
        ({5: (1.0, 2.0)}, "holds at 5 epochs"),
        ({5: (1.0, 2.0), 20: (3.0, 1.0)}, "holds from 5 epochs on, the shortest length"),
        ({5: (-1.0, 2.0), 20: (3.0, 1.0)}, "begins to hold at 20 epochs"),
        ({5: (1.0, 2.0), 20: (-1.0, 1.0), 60: (3.0, 1.0)}, "begins to hold at 60 epochs"),
        ({5: (1.0, 2.0), 20: (-3.0, -1.0)}, "does not hold up to 20 epochs"),
        ({5: (0.0, 0.0)}, "does not hold up to 5 epochs"),
        ({5: (1.0, 2.0), 20: (-3.0, 1.0)}, "is open up to 20 epochs: the seeds disagree"),
        ({5: (1.0, 2.0, -1.0)}, "is open up to 5 epochs: the interval contains 0"),
        ({1: (1.0, 2.0), 20: (5.0,)}, "holds at 1 epoch"),  # the single seed does not count
    ],
)
def test_the_rule(line: dict[int, tuple[float, ...]], said: str) -> None:
    assert sentence([Effect(length, points) for length, points in line.items()]) == said


def test_what_is_smaller_than_the_error_of_measuring_is_open() -> None:
    results = {5: {seed: {"a": row(40), "b": row(40.4)} for seed in range(2)}}
    (effect,) = effects(gain("", "b", "a"), results, 10_000)
    assert effect.error == 0.5
    assert sentence([effect]) == "is open up to 5 epochs: too small to be told from chance"
    (effect,) = effects(gain("", "b", "a"), results, 40_000)
    assert sentence([effect]) == "holds at 5 epochs"
    (effect,) = effects(gain("", "b", "a", tested=2_500), results, 40_000)  # a measure on fewer
    assert effect.error == 1.0


def test_longer_trainings_are_compared_with_the_next_shorter() -> None:
    results = {
        5: {0: {"a": row(30), "b": row(31)}},
        20: {0: {"a": row(35), "b": row(33)}, 1: {"a": row(35), "b": row(33)}},
    }
    (effect,) = effects(longer_helps("", ["a", "b"]), results, 10_000)
    assert (effect.length, effect.points) == (20, (2.0,))  # the second seed has no shorter one


def made(experiment: Experiment, lengths: tuple[int, ...], seeds: int) -> Results:
    names = (*experiment.measures, "linear z")
    return {
        length: {
            seed: {
                cell.name: replace(row(0), measures=dict.fromkeys(names, 40.0 + seed + number))
                for number, cell in enumerate(experiment.cells)
            }
            for seed in range(seeds)
        }
        for length in lengths
    }


@pytest.mark.parametrize("name", ["augmentation", "head", "batch"])
@pytest.mark.parametrize("lengths", [(5,), (5, 20)])
def test_a_page_says_what_holds(
    name: str, lengths: tuple[int, ...], scope: Scope, tmp_path: Path
) -> None:
    experiment = design.experiment(name, BASE)
    page = write_page(experiment, made(experiment, lengths, 2), scope, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {experiment.title}\n")
    assert f"    clr-search study {name} --out study\n" in text
    for length in lengths:
        assert f"\n## {length} epochs, 2 seeds\n" in text
    assert text.count(f"| {experiment.cells[0].name} | 40.5 ± 0.7 |") == len(lengths)
    for claim in experiment.claims:
        assert text.count(f"| {claim.text} |") == 1
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.size[0] > 500


def test_a_page_of_what_there_is(scope: Scope, tmp_path: Path) -> None:
    """Cells and seeds may be missing; what they would say is left out, and said to be missing."""
    whole = design.experiment("head", BASE)
    results = made(whole, (5, 20), 2)
    part = {5: results[5], 20: {0: {"none": results[20][0]["none"]}}}
    text = write_page(whole, part, scope, tmp_path).read_text(encoding="utf-8")
    assert "## 20 epochs, 1 seed\n" in text
    line = next(
        line for line in text.splitlines() if line.startswith("| A non-linear head beats n")
    )
    assert line.endswith("| -5.0 (-5.0 to -5.0) |  | does not hold up to 5 epochs |")


def test_results_are_gathered_by_length_seed_and_cell(scope: Scope, tmp_path: Path) -> None:
    store, experiment = Store(tmp_path), design.experiment("head", BASE)
    cell = experiment.cells[0]
    store.keep(scope.training(cell, 2, 1), row(7))
    assert gathered(experiment, scope, store) == {2: {1: {cell.name: row(7)}}}
