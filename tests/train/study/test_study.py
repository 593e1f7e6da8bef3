"""The study: its design, its cells on disk, its measures and its pages."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from clr_search.errors import UsageError
from clr_search.train import TrainConfig
from clr_search.train.settings.choices import augmentation_for, resolve
from clr_search.train.study import cells, design, report
from clr_search.train.study.cells import Result
from clr_search.train.study.design import SINGLE, pair_name
from clr_search.train.study.experiment import Cell, Claim, Experiment
from clr_search.train.study.measures import softmax_entropy
from clr_search.train.study.pictures import Pictures, find_pictures
from tests.train.conftest import TINY
from tests.train.test_loop import Interrupting

BASE = replace(TINY, augmentation=augmentation_for(16), batch_size=16, epochs=2)


@pytest.fixture(scope="module")
def found(pictures: Path) -> Pictures:
    return find_pictures([pictures], [], limit=30, side=16)


def test_pictures_are_balanced_and_kept_apart(pictures: Path, found: Pictures) -> None:
    assert found.train.classes == found.test.classes == ("blue", "green", "red")
    assert torch.bincount(found.train.labels).tolist() == [10, 10, 10]
    assert torch.bincount(found.test.labels).tolist() == [2, 2, 2]  # a fifth of 12
    few = find_pictures([pictures], [], limit=6, side=16)
    assert torch.bincount(few.train.labels).tolist() == [2, 2, 2]
    again = find_pictures([pictures], [], limit=30, side=16)
    assert again.train.fingerprint == found.train.fingerprint
    own = find_pictures([pictures], [pictures], limit=30, side=16)
    assert torch.bincount(own.test.labels).tolist() == [5, 5, 5]


def test_what_cannot_be_studied_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="folders that are classes, at least two"):
        find_pictures([pictures / "red"], [], limit=9, side=16)
    with pytest.raises(UsageError, match="the same ones"):
        find_pictures([pictures], [pictures / "red"], limit=9, side=16)
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(3):
            Image.new("RGB", (9, 9)).save(tmp_path / label / f"{number}.png")
    with pytest.raises(UsageError, match="at least 5 pictures a class"):
        find_pictures([tmp_path], [], limit=9, side=16)


@pytest.mark.parametrize("name", design.NAMES)
def test_every_experiment_is_whole(name: str) -> None:
    experiment = design.experiment(name, BASE)
    names = [cell.name for cell in experiment.cells]
    assert len(set(names)) == len(names) > 3
    for cell in experiment.cells:
        resolve(cell.config, 1000)
    made = {cell: dict.fromkeys(experiment.measures, 50.0) for cell in names}
    assert [claim.points(made) for claim in experiment.claims] == [0] * len(experiment.claims)
    configs = [cell.config for cell in experiment.cells]
    assert all(one != other for i, one in enumerate(configs) for other in configs[:i])


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


def test_claims_see_what_differs() -> None:
    def points(name: str, better: dict[str, float], measure: str = "linear h") -> list[float]:
        experiment = design.experiment(name, BASE)
        rows = {
            cell.name: dict.fromkeys(experiment.measures, 50.0)
            | ({measure: better[cell.name]} if cell.name in better else {})
            for cell in experiment.cells
        }
        return [claim.points(rows) for claim in experiment.claims]

    assert points("augmentation", {"crop+colour": 58}) == [8, 8]
    assert points("augmentation", {"crop+grey": 60, "crop+colour": 58}) == [8, -2]
    assert points("augmentation", {"crop": 60, "crop+colour": 58})[0] == -2
    assert points("head", {"nonlinear 128": 40}, "linear z")[0] == 0  # the others' margin is 0
    assert points("temperature", {"l2, τ 0.1": 53})[0] == 3
    assert points("temperature", {"l2, τ 0.05": 53})[1] == -3
    assert points("loss", {"dcl": 90, "nt-xent": 51})[0] == 1  # DCL is not of the paper
    assert points("method", {"supervised": 60, "simclr": 55}) == [5, 5, 5]


@pytest.fixture
def small() -> Experiment:
    made = design.experiment("temperature", BASE)
    return replace(made, cells=made.cells[:2], claims=())


def test_each_cell_is_trained_once(
    small: Experiment, found: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cells.run(small, found, tmp_path, seeds=2)
    assert first is not None
    assert [(r.cell, r.seed) for r in first] == [
        ("l2, τ 0.05", 0),
        ("l2, τ 0.1", 0),
        ("l2, τ 0.05", 1),
        ("l2, τ 0.1", 1),
    ]
    for result in first:
        assert set(small.measures) <= set(result.measures)
        assert 0 <= result.measures["linear h"] <= 100
    assert first[0].measures != first[2].measures
    names = sorted(path.name for path in (tmp_path / "cells" / "temperature").iterdir())
    assert names[0] == "l2-t-0-05-seed0.json"

    monkeypatch.setattr(cells, "_train", lambda *given: pytest.fail("trained again"))
    assert cells.run(small, found, tmp_path, seeds=2) == first


def test_what_has_changed_or_is_damaged_is_trained_again(
    small: Experiment, found: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def fake(cell: Cell, *rest: object) -> Result:
        trained.append(cell.name)
        return Result(cell.name, 0, dict.fromkeys(small.measures, 1.0), 1.0)

    monkeypatch.setattr(cells, "_train", fake)
    cells.run(small, found, tmp_path, seeds=1)
    path = tmp_path / "cells" / "temperature" / "l2-t-0-05-seed0.json"
    path.write_text(path.read_text()[:50])
    cells.run(small, found, tmp_path, seeds=1)
    assert trained == ["l2, τ 0.05", "l2, τ 0.1", "l2, τ 0.05"]
    longer = tuple(replace(c, config=replace(c.config, epochs=3)) for c in small.cells)
    cells.run(replace(small, cells=longer), found, tmp_path, seeds=1)
    assert trained[3:] == ["l2, τ 0.05", "l2, τ 0.1"]


def test_ctrl_c_keeps_what_is_done(small: Experiment, found: Pictures, tmp_path: Path) -> None:
    assert cells.run(small, found, tmp_path, seeds=1, reporter=Interrupting(3)) is None
    assert len(list((tmp_path / "cells" / "temperature").iterdir())) == 1  # two steps a cell
    results = cells.run(small, found, tmp_path, seeds=1)
    assert results is not None
    assert len(results) == 2


def test_entropy_of_equal_and_of_certain_choices() -> None:
    config = TrainConfig(temperature=0.01)
    assert float(softmax_entropy(torch.ones(8, 3), config)) == pytest.approx(math.log(7), rel=1e-5)
    pairs = torch.eye(4).repeat(2, 1)
    assert float(softmax_entropy(pairs, config)) == pytest.approx(0, abs=1e-6)
    dots = replace(config, normalise=False, temperature=1e3)
    assert float(softmax_entropy(pairs, dots)) == pytest.approx(math.log(7), rel=1e-3)


@pytest.mark.parametrize("name", design.NAMES)
def test_a_page_says_what_holds(name: str, found: Pictures, tmp_path: Path) -> None:
    experiment = design.experiment(name, BASE)
    measures = dict.fromkeys((*experiment.measures, "linear z"), 40.0)
    results = [
        Result(cell.name, seed, {m: v + seed + number for m, v in measures.items()}, 30.0)
        for seed in range(2)
        for number, cell in enumerate(experiment.cells)
    ]
    command = "clr-search study --images r\udcf6t"  # a path need be no text
    page = report.write_report(experiment, results, BASE, found, command, tmp_path)
    text = page.read_text(encoding="utf-8")
    assert r"clr-search study --images r\udcf6t" in text
    assert text.startswith(f"# {experiment.title}\n")
    assert f"| {experiment.cells[0].name} | 40.5 ± 0.7 |" in text
    said = [text.count(f"| {word}: ") for word in ("holds", "does not hold", "open")]
    assert sum(said) == len(experiment.claims)
    assert f"({name}.png)" in text
    with Image.open(tmp_path / f"{name}.png") as picture:
        assert picture.size[0] > 500


def test_a_grid_of_pairs_is_symmetric() -> None:
    names = [pair_name(one, other) for one in SINGLE for other in SINGLE]
    assert len(set(names)) == 15


def test_what_the_seeds_disagree_on_is_open() -> None:
    assert report.verdict([1.0, 2.0]) == "holds: +1.5 ± 0.7 points"
    assert report.verdict([-1.0, -2.0]) == "does not hold: -1.5 ± 0.7 points"
    assert report.verdict([-1.0, 2.0]) == "open: +0.5 ± 2.1 points"
    assert report.verdict([0.5]) == "holds: +0.5 points"


def test_claims_are_judged_seed_by_seed() -> None:
    claim = Claim("b beats a", lambda m: m["b"]["linear h"] - m["a"]["linear h"])
    results = [
        Result(cell, seed, {"linear h": value}, 1.0)
        for cell, seed, value in (("a", 0, 3.0), ("b", 0, 5.0), ("a", 1, 9.0), ("b", 1, 8.0))
    ]
    assert report.by_seed(claim, results) == [2.0, -1.0]
