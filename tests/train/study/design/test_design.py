"""What each experiment compares, and what its claims see."""

from __future__ import annotations

import pytest

from clr_search.train.settings.choices import resolve
from clr_search.train.study import design
from clr_search.train.study.design.augmentations import SINGLE, pair_name
from clr_search.train.study.experiment import SHORTER
from tests.train.study.conftest import BASE


@pytest.mark.parametrize("name", design.NAMES)
def test_every_experiment_is_whole(name: str) -> None:
    experiment = design.experiment(name, BASE)
    names = [cell.name for cell in experiment.cells]
    assert len(set(names)) == len(names) > 3
    for cell in experiment.cells:
        resolve(cell.config, 10_000)
    made = {
        cell + suffix: dict.fromkeys((*experiment.measures, "linear z"), 50.0)
        for cell in names
        for suffix in ("", SHORTER)
    }
    for claim in experiment.claims:
        assert claim.points({needed: made[needed] for needed in claim.needs}) == 0
    configs = [cell.config for cell in experiment.cells]
    assert all(one != other for i, one in enumerate(configs) for other in configs[:i])


def test_the_insights_are_a_part_that_is_complete_in_itself() -> None:
    parts = {one.name: one for one in design.chosen(("insights",), BASE)}
    assert tuple(parts) == design.INSIGHTS
    assert [cell.name for cell in parts["augmentation"].cells] == ["crop", "crop+colour", "colour"]
    assert [cell.name for cell in parts["head"].cells] == ["nonlinear 128", "linear 128", "none"]
    for one in parts.values():
        assert one.claims
        assert all(cell.core for cell in one.cells)


def test_an_experiment_that_is_named_is_whole() -> None:
    both = {one.name: one for one in design.chosen(("insights", "head"), BASE)}
    assert len(both["head"].cells) == 7
    assert len(both["augmentation"].cells) == 3
    assert [one.name for one in design.chosen(("all", "loss"), BASE)] == list(design.NAMES)
    (core,) = design.chosen(("head",), BASE, core=True)
    assert len(core.cells) == 3


def test_pairs_apply_both_and_nothing_else() -> None:
    made = {
        cell.name: cell.config.augmentation
        for cell in design.experiment("augmentation", BASE).cells
    }
    assert len(made) == 15
    pair, single = made[pair_name("blur", "crop")], made["colour"]
    assert pair is not None
    assert (pair.crop_scale, pair.blur) == ((0.08, 1.0), 0.5)
    assert (pair.flip, pair.jitter, pair.grey) == (0, 0, 0)
    assert single is not None
    assert (single.jitter, single.strength, single.crop_scale, single.blur) == (0.8, 1, (1, 1), 0)
    assert pair_name("crop", "blur") == pair_name("blur", "crop") == "crop+blur"
    assert pair_name("grey", "grey") == "grey"
    assert len({pair_name(one, other) for one in SINGLE for other in SINGLE}) == 15


def test_claims_see_what_differs() -> None:
    def points(name: str, better: dict[str, float], measure: str = "linear h") -> list[float]:
        experiment = design.experiment(name, BASE)
        rows = {
            cell.name + suffix: dict.fromkeys((*experiment.measures, "linear z"), 50.0)
            | ({measure: better[cell.name]} if cell.name in better and not suffix else {})
            for cell in experiment.cells
            for suffix in ("", SHORTER)
        }
        return [claim.points(rows) for claim in experiment.claims]

    assert points("augmentation", {"crop+colour": 58}) == [8, 8, 8, 8]
    assert points("augmentation", {"crop+grey": 60, "crop+colour": 58}) == [8, 8, 8, -2]
    assert points("augmentation", {"crop": 60, "crop+colour": 58}) == [-2, 8, -2, -2]
    assert points("head", {"nonlinear 128": 40}, "linear z")[2] == 10
    assert points("head", {"nonlinear 128": 40}, "rotation z")[3:6] == [10, 0, 0]
    assert points("head", {"nonlinear 512": 53})[-2:] == [3, 3]
    assert points("temperature", {"l2, τ 0.2": 53})[:2] == [3, 3]
    assert points("temperature", {"no l2, τ 10": 53}, "contrastive")[2] == 3
    assert points("temperature", {"l2, τ 0.05": 53})[3] == -3
    assert points("loss", {"dcl": 90, "nt-xent": 51})[0] == 1  # DCL is not of the paper
    assert points("method", {"supervised": 60, "simclr": 55}) == [5, 5, 5]
    assert points("colour", {"1": 52, "supervised, 1": 49})[:2] == [2, 3]
    assert points("size", {"simclr, twice as wide": 54, "supervised, twice as wide": 53}) == [
        4,
        1,
        0,
    ]
    assert points("batch", {"batch 1024": 47, "batch 64": 52}) == [-5, -3]
