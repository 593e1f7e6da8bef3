"""A moving average of the weights, kept beside the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.progress import Silent
from clr_search.train import TrainConfig, load_run, train, write_initial_run
from clr_search.train.checkpoint import BEST, CHECKPOINT
from clr_search.train.data.batches import epoch_order
from clr_search.train.data.decode import decode_collection
from clr_search.train.monitor import epoch as epoch_monitor
from clr_search.train.monitor.evaluate import features
from clr_search.train.monitor.health import SPREAD_IMAGES, spread
from clr_search.train.network.average import Average, decay_at
from tests.train.test_loop import WEIGHTS, Interrupting, begun_weights, same_weights


@pytest.fixture
def averaged(tiny: TrainConfig) -> TrainConfig:
    return replace(tiny, average=0.9)


def test_it_equals_a_loop_over_the_steps() -> None:
    networks = nn.ModuleDict({"encoder": nn.BatchNorm1d(2), "head": nn.Linear(2, 2)})
    found = Average(networks, 0.7)
    expected: dict[str, torch.Tensor] = {}
    for step in range(40):
        decay = min(0.7, (1 + (step - 1)) / (10 + (step - 1)))  # TensorFlow's, one step later
        for name, tensor in networks.state_dict().items():
            if tensor.is_floating_point():
                tensor.normal_(generator=torch.Generator().manual_seed(100 * step + tensor.numel()))
                before = expected.get(name, torch.zeros_like(tensor))
                expected[name] = decay * before + (1 - decay) * tensor
            else:
                expected[name] = tensor.fill_(step).clone()
        found.update(networks, step)
        if step == 0:
            assert decay == 0
    for name, tensor in found.networks.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], msg=name)
    assert not any(weight.requires_grad for weight in found.networks.parameters())


def test_the_decay_grows_to_what_was_asked_for() -> None:
    assert [decay_at(step, 0.5) for step in (0, 1, 9, 10**6)] == [0, 0.1, 0.5, 0.5]


def test_training_is_the_same_and_the_average_is_what_is_kept(
    pictures: Path, tiny: TrainConfig, averaged: TrainConfig, tmp_path: Path
) -> None:
    plain = train([pictures], tmp_path / "plain", tiny).run
    run = train([pictures], tmp_path / "averaged", averaged).run
    saved, without = load_file(run / CHECKPOINT), load_file(plain / CHECKPOINT)
    for name, tensor in without.items():
        assert torch.equal(saved[name], tensor), name
    kept = load_file(run / WEIGHTS)
    for name, tensor in kept.items():
        assert torch.equal(saved[f"networks.average.{name}"], tensor), name
    assert len(saved) == len(without) + len(kept)
    assert not same_weights(run, plain)
    # With a decay of 0 the average is the last weights.
    assert same_weights(train([pictures], tmp_path / "0", replace(tiny, average=0.0)).run, plain)


def test_the_average_is_what_is_measured(
    pictures: Path, averaged: TrainConfig, tmp_path: Path
) -> None:
    run = load_run(train([pictures], tmp_path / "run", averaged).run)
    side = run.config.cache_size
    collection = decode_collection(find_images([pictures]), side, "memory", tmp_path, Silent())
    watched = epoch_order(len(collection), averaged.seed, -1)[:SPREAD_IMAGES]
    h = features(run.encoder, collection, watched, averaged.image_size, torch.device("cpu"))
    found = spread(h)
    row = run.metrics[-1]
    assert row["mean_cosine"] == pytest.approx(found.mean_cosine, rel=1e-5)
    assert row["effective_rank"] == pytest.approx(found.effective_rank, rel=1e-5)


def test_a_run_without_the_average_does_not_go_on_with_one(
    pictures: Path, tiny: TrainConfig, averaged: TrainConfig, tmp_path: Path
) -> None:
    train([pictures], tmp_path / "run", tiny, reporter=Interrupting(5))
    with pytest.raises(UsageError, match=r"average is 0\.9, was None"):
        train([pictures], tmp_path / "run", averaged, resume=True)


def test_it_begins_with_the_weights_that_training_begins_with(
    pictures: Path, averaged: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial = write_initial_run(replace(averaged, seed=5), tmp_path / "initial")
    begun = begun_weights(monkeypatch)
    train([pictures], tmp_path / "run", replace(averaged, init=str(initial)))
    stored = load_file(initial / WEIGHTS)
    assert all(torch.equal(begun[name], tensor) for name, tensor in stored.items())


def test_stopping_early_keeps_the_average_of_the_best_epoch(
    pictures: Path, averaged: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([2.0, 1.0, 3.0])
    monkeypatch.setattr(epoch_monitor, "held_out_loss", lambda *_: next(losses))
    run = train([pictures], tmp_path / "run", replace(averaged, patience=1)).run
    assert load_run(run).epochs == 2
    best = load_file(run / BEST)
    for name, tensor in load_file(run / WEIGHTS).items():
        assert torch.equal(best[f"networks.average.{name}"], tensor), name


def test_a_decay_of_one_would_never_learn() -> None:
    with pytest.raises(UsageError, match=r"average is 1\. Choose a number from 0 to 0\.999999"):
        TrainConfig(average=1.0)
