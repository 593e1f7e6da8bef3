"""Trainings that begin with the weights of another one."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.fuzz.tensors import weights
from bench.machine import peak, reset_peak
from clr_search.contract.card import Card
from clr_search.errors import UsageError
from clr_search.export.onnx import describe, initial_weights
from clr_search.files.write import sha256_file
from clr_search.train import TrainConfig, load_run, train, write_initial_run
from clr_search.train.network.initial import Shape, continued, shape_of, weights_file
from clr_search.train.settings.resolved import ResolvedConfig
from tests.train.test_loop import Interrupting, same_weights


@pytest.fixture
def first(pictures: Path, tiny: TrainConfig, tmp_path: Path) -> Path:
    """A run to begin with."""
    return train([pictures], tmp_path / "first", replace(tiny, seed=5, epochs=1)).run


def barely(tiny: TrainConfig, init: Path) -> TrainConfig:
    """Settings by which a training hardly moves."""
    return replace(tiny, init=str(init), epochs=1, learning_rate=1e-9, optimizer="sgd")


def test_a_training_begins_with_the_weights_it_is_given(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path
) -> None:
    run = train([pictures], tmp_path / "second", barely(tiny, first)).run
    before, after = load_file(first / "weights.safetensors"), load_file(run / "weights.safetensors")
    learned = [n for n in before if n.endswith(".weight")]
    assert learned
    for name in learned:
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=1e-6)
    fresh = train([pictures], tmp_path / "fresh", replace(barely(tiny, first), init=None)).run
    other = load_file(fresh / "weights.safetensors")
    assert not torch.allclose(other[learned[0]], after[learned[0]], atol=1e-3)


def test_the_file_alone_is_enough_and_half_precision_is_read(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path
) -> None:
    shape = shape_of(str(first))
    tensors = load_file(first / "weights.safetensors")
    alone = tmp_path / "alone.safetensors"
    save_file(
        {n: t.half() if t.is_floating_point() else t for n, t in tensors.items()},
        alone,
        metadata={"clr_search.network": shape.to_json()},
    )
    run = train([pictures], tmp_path / "second", barely(tiny, alone)).run
    after = load_file(run / "weights.safetensors")
    name = next(n for n in tensors if n.endswith(".weight"))
    assert after[name].dtype == torch.float32
    torch.testing.assert_close(after[name], tensors[name], rtol=1e-3, atol=1e-3)


def test_settings_are_continued_for_the_network_that_is_there(
    tiny: TrainConfig, first: Path
) -> None:
    config = continued(TrainConfig(init=str(first)))
    assert (config.width, config.stem, config.head_dim) == (0.25, "imagenet", 16)
    assert config.image_size == tiny.image_size
    assert continued(TrainConfig()) == TrainConfig()


def test_another_network_is_refused_before_anything_is_written(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path
) -> None:
    config = replace(tiny, init=str(first), width=0.5)
    with pytest.raises(UsageError, match=r"width is 0.5, and the encoder of .* has 0.25"):
        train([pictures], tmp_path / "second", config)
    assert not (tmp_path / "second").exists()


def test_a_head_of_another_shape_begins_anew(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path
) -> None:
    run = train([pictures], tmp_path / "second", replace(barely(tiny, first), head_dim=8)).run
    tensors = load_file(run / "weights.safetensors")
    assert Shape(**json.loads(shape_of(str(run)).to_json())).head_dim == 8
    before = load_file(first / "weights.safetensors")
    name = next(n for n in before if n.startswith("encoder.") and n.endswith(".weight"))
    torch.testing.assert_close(before[name], tensors[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("hidden", "kept"), [(None, True), (128, True), (64, False)])
def test_a_head_of_the_same_width_is_taken_over(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path, hidden: int, kept: bool
) -> None:
    """That of the first run is as wide as h, 128."""
    config = replace(barely(tiny, first), head_hidden=hidden)
    run = train([pictures], tmp_path / "second", config).run
    before, after = (load_file(path / "weights.safetensors") for path in (first, run))
    name = next(n for n in before if n.startswith("head.") and n.endswith(".weight"))
    same = before[name].shape == after[name].shape and torch.allclose(
        before[name], after[name], atol=1e-6
    )
    assert same == kept


def test_weights_from_before_heads_had_a_width_can_be_read(first: Path, tmp_path: Path) -> None:
    facts = json.loads(shape_of(str(first)).to_json())
    del facts["head_hidden"]
    old = tmp_path / "old.safetensors"
    tensors = load_file(first / "weights.safetensors")
    save_file(tensors, old, metadata={"clr_search.network": json.dumps(facts)})
    assert shape_of(str(old)) == shape_of(str(first))


def test_a_run_that_goes_on_needs_what_it_began_with_no_more(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path
) -> None:
    config = replace(tiny, init=str(first))
    whole = train([pictures], tmp_path / "whole", config).run
    train([pictures], tmp_path / "parts", config, reporter=Interrupting(after=6))
    (first / "weights.safetensors").unlink()
    train([pictures], tmp_path / "parts", config, resume=True)
    assert same_weights(whole, tmp_path / "parts")


@pytest.mark.parametrize("damage", ["missing", "empty folder", "foreign", "cut"])
def test_what_is_no_start_is_refused(first: Path, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "other.safetensors"
    if damage == "empty folder":
        file.mkdir()
    elif damage == "foreign":
        save_file({"a": torch.zeros(2)}, file)
    elif damage == "cut":
        file.write_bytes((first / "weights.safetensors").read_bytes()[:100])
    with pytest.raises(UsageError) as caught:
        shape_of(str(file))
    assert "other.safetensors" in caught.value.what


@pytest.mark.parametrize(
    "told",
    [
        {"width": "wide"},
        {"width": None},
        {"head_dim": None},
        {"head_dim": True},
        {"image_size": -1},
        {"norm": {}},
        {"architecture": "x" * 5000},
        {"y": 0},
        {"head_dim": 65536, "head_hidden": 65536},
        {"width": 4.0},
    ],
)
def test_a_network_that_its_tensors_are_not_of_is_refused(
    tmp_path: Path, tiny: TrainConfig, told: dict[str, object]
) -> None:
    """Weights of strangers may describe any network; a head of 65,536 squared takes 17 GB."""
    run = write_initial_run(tiny, tmp_path / "run")
    shape = json.loads(shape_of(str(run)).to_json()) | told
    other = tmp_path / "other.safetensors"
    tensors = load_file(run / "weights.safetensors")
    save_file(tensors, other, metadata={"clr_search.network": json.dumps(shape)})
    reset_peak()
    before = peak()
    with pytest.raises(UsageError) as caught:
        continued(replace(tiny, init=str(other)))
    assert "other.safetensors" in caught.value.what
    assert len(caught.value.what) < 500
    assert peak() - before < 50


def test_a_run_whose_settings_ask_for_another_network_takes_no_memory(
    tmp_path: Path, tiny: TrainConfig
) -> None:
    run = write_initial_run(tiny, tmp_path / "run")
    settings = json.loads((run / "config.json").read_text())
    large = json.dumps(settings | {"head_dim": 65536, "head_hidden": 65536, "head": "nonlinear"})
    (run / "config.json").write_text(large)
    reset_peak()
    before = peak()
    with pytest.raises(UsageError, match=r"does not hold the network that .*config\.json"):
        load_run(run)
    assert peak() - before < 50


def test_any_damage_to_weights_is_named_and_costs_little(tmp_path: Path) -> None:
    case = weights(tmp_path)
    read = [case(random.Random(f"weights {number}")).read for number in range(40)]
    assert 0 < sum(read) < 40


def test_a_run_without_weights_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no weights.safetensors"):
        weights_file(str(tmp_path))


def test_the_card_says_what_a_training_began_from_and_no_path(
    pictures: Path, tiny: TrainConfig, first: Path, tmp_path: Path
) -> None:
    run = train([pictures], tmp_path / "second", barely(tiny, first)).run
    digest = sha256_file(first / "weights.safetensors")
    shutil.rmtree(first)  # the card needs it no longer
    card = describe(load_run(run), "second", "")
    assert card.initial_weights == f"earlier weights (SHA-256 {digest})"
    stored = card.to_metadata()
    assert Card.from_metadata(stored, run).initial_weights == card.initial_weights
    assert not any(str(tmp_path) in value for value in stored.values())
    config = load_run(run).config
    shipped = replace(config, init="default", init_sha256="12ab")
    assert initial_weights(shipped) == "the encoder that comes with clr-search (SHA-256 12ab)"
    older = ResolvedConfig.from_json(
        json.dumps({k: v for k, v in json.loads(config.to_json()).items() if k != "init_sha256"})
    )
    assert initial_weights(older) == "earlier weights"
    random = describe(replace(load_run(run), config=replace(config, init=None)), "x", "")
    assert "clr_search.initial_weights" not in random.to_metadata()
