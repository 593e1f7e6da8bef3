"""What identifies a training, and how its result is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from clr_search.errors import UsageError
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study import design
from clr_search.train.study.experiment import Cell
from clr_search.train.study.scope import Scope
from clr_search.train.study.store import CELLS, Result, Store
from tests.train.study.conftest import BASE

RESULT = Result({"linear h": 40.0}, 3.5, 3.0, "cpu, 1 threads, torch 2")


def test_a_training_is_what_its_settings_are(scope: Scope) -> None:
    usual = scope.training(Cell("one", BASE), 20, 0)
    assert usual.name == scope.training(Cell("other", BASE), 20, 0).name
    here = replace(BASE, device="cpu", threads=7, knn_every=3, checkpoint_minutes=9.0)
    assert usual.name == scope.training(Cell("one", here), 20, 0).name
    others = [
        scope.training(Cell("one", BASE), 20, 1),
        scope.training(Cell("one", BASE), 60, 0),
        scope.training(Cell("one", replace(BASE, temperature=0.5)), 20, 0),
        scope.training(Cell("one", replace(BASE, head_dim=64)), 20, 0),
        replace(usual, pictures_sha256="other"),
    ]
    assert len({usual.name, *(one.name for one in others)}) == 6
    assert usual.name.startswith("20-epochs-simclr-resnet18x0.25-b16-nonlinear128-t0.2-crop-flip-")


def test_every_setting_is_of_the_machine_or_counts() -> None:
    """A setting that is new counts where it is not the default; see `store`."""
    from clr_search.train.study import store

    names = set(TrainConfig.__dataclass_fields__)
    assert not store._SINCE & store._OF_THE_MACHINE
    added = names - store._SINCE - store._OF_THE_MACHINE
    assert added == {"statistics", "encoder_rate"}
    fields = ResolvedConfig.__dataclass_fields__
    assert [fields[name].default for name in sorted(added)] == [1.0, "batch"]


def test_a_setting_of_a_later_release_counts_where_it_does_something(scope: Scope) -> None:
    usual = scope.training(Cell("one", BASE), 20, 0)
    assert not {"statistics", "encoder_rate"} & usual.identity["settings"].keys()
    slower = scope.training(Cell("one", replace(BASE, encoder_rate=0.5)), 20, 0)
    assert slower.identity["settings"]["encoder_rate"] == 0.5
    assert slower.name != usual.name


def test_cells_that_experiments_share_are_trained_once(scope: Scope) -> None:
    scope = replace(scope, images=10_000)
    names = [one.name for one in scope.trainings(design.chosen(("insights",), BASE))]
    assert len(set(names)) == len(names) == 18 * 2 * 2
    lengths = [int(name.split("-")[0]) for name in names]
    assert lengths == sorted(lengths)
    more = scope.trainings(design.chosen(("insights", "head"), BASE))
    assert {one.name for one in more} > set(names)
    assert [one.name for one in more][:36] == names[:36]  # the core of a length comes first


def test_the_untrained_network_has_one_length(scope: Scope) -> None:
    whole = scope.trainings([design.experiment("method", BASE)])
    assert len(whole) == (4 * 2 + 1) * 2


def test_results_are_kept_and_damage_is_seen(scope: Scope, tmp_path: Path) -> None:
    store, one = Store(tmp_path), scope.training(Cell("one", BASE), 1, 0)
    assert store.result(one) is None
    store.keep(one, RESULT)
    assert store.result(one) == RESULT
    path = tmp_path / CELLS / f"{one.name}.json"
    whole = path.read_text()
    for damaged in (
        whole[:50],
        "[]",
        json.dumps({**json.loads(whole), "identity": {}}),
        json.dumps({**json.loads(whole), "measures": {"linear h": "high"}}),
        json.dumps({**json.loads(whole), "seconds": None}),
    ):
        path.write_text(damaged)
        assert store.result(one) is None


def test_a_scope_is_kept(scope: Scope) -> None:
    assert Scope.from_json(scope.to_json(), "study.json") == scope
    for text in ("{}", "[]", scope.to_json().replace('"seeds"', '"sides"')):
        with pytest.raises(UsageError, match=r"study.json is not that of a study: .*\n?"):
            Scope.from_json(text, "study.json")
