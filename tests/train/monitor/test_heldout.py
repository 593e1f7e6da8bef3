"""Stopping early on pictures held out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from clr_search.errors import UsageError
from clr_search.files.finding.find import find_images
from clr_search.progress import Silent
from clr_search.train import TrainConfig, load_run, loop, train
from clr_search.train.data.augment import apply
from clr_search.train.data.batches import Batch
from clr_search.train.data.decode import decode_collection
from clr_search.train.data.draws import draw
from clr_search.train.distributed import World
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.methods.network import build_networks
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.monitor import epoch as epoch_monitor
from clr_search.train.monitor.heldout import count_held_out, held_out, held_out_loss
from clr_search.train.monitor.metrics import best_epoch, patience_exhausted, read_metrics
from clr_search.train.rng import generator_for
from clr_search.train.settings.choices import resolve
from tests.index.made import Heard
from tests.train.test_loop import Interrupting, same_weights


@pytest.fixture
def patient(tiny: TrainConfig) -> TrainConfig:
    return replace(tiny, epochs=6, patience=2, knn_every=0)


@pytest.mark.parametrize(
    ("count", "patience", "expected"), [(100, None, 0), (30, 1, 8), (1000, 1, 100), (10**5, 1, 256)]
)
def test_a_tenth_is_held_out_within_bounds(
    tiny: TrainConfig, count: int, patience: int | None, expected: int
) -> None:
    config = resolve(replace(tiny, patience=patience), count)
    chosen = held_out(count, config)
    assert len(chosen) == len(set(chosen.tolist())) == expected == count_held_out(count, config)


def test_what_is_held_out_is_never_trained_on(
    pictures: Path, patient: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[int] = set()
    accumulate = SimCLR.accumulate

    def noted(self: SimCLR, batch: Batch, generator: torch.Generator) -> object:
        seen.update(batch.indices.tolist())
        return accumulate(self, batch, generator)

    monkeypatch.setattr(SimCLR, "accumulate", noted)
    run = train([pictures], tmp_path / "run", patient).run
    rows = read_metrics(run / "metrics.jsonl")
    kept = set(held_out(rows[0]["images"], load_run(run).config).tolist())
    assert len(kept) == 8
    assert seen
    assert not seen & kept


def test_the_loss_is_that_of_two_fixed_views_at_inference(
    pictures: Path, patient: TrainConfig, tmp_path: Path
) -> None:
    files = find_images([pictures])
    config = resolve(patient, len(files))
    collection = decode_collection(files, config.cache_size, "memory", tmp_path, Silent())
    networks = build_networks(config)
    networks.train()
    chosen = held_out(len(collection), config)
    found = held_out_loss(networks, collection, chosen, config)
    assert networks.training
    assert found == held_out_loss(networks, collection, chosen, config)
    networks.eval()
    dice = draw(
        collection.aspects[chosen].repeat(2),
        config.augmentation,
        generator_for(config.seed, "held-out views"),
    )
    with torch.no_grad():
        views = apply(collection.take(chosen), dice, config.augmentation, config.image_size)
        z = F.normalize(networks["head"](networks["encoder"](views)), dim=1)
    expected = nt_xent(z[: len(chosen)], z[len(chosen) :], config.temperature).loss
    assert found == pytest.approx(float(expected), rel=1e-5)


def falling_until(epoch: int) -> Callable[..., float]:
    """A loss held out that is least after this epoch."""
    losses = iter([1.0 - 0.1 * n for n in range(1, epoch + 1)] + [5.0] * 99)
    return lambda *_: next(losses)


def test_training_stops_and_keeps_the_best(
    pictures: Path, patient: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_monitor, "held_out_loss", falling_until(2))
    heard = Heard()
    stopped = train([pictures], tmp_path / "stopped", patient, reporter=heard)
    assert [text for text in heard.messages if text.startswith("Stopping")] == [
        "Stopping after epoch 4: the 8 pictures held out were told apart best after epoch 2, whose "
        "weights are kept."
    ]
    rows = read_metrics(stopped.run / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert load_run(stopped.run).epochs == 2

    steps = rows[1]["step"]
    monkeypatch.setattr(epoch_monitor, "held_out_loss", falling_until(2))
    train([pictures], tmp_path / "two", patient, reporter=Interrupting(steps))
    assert same_weights(stopped.run, tmp_path / "two")
    again = train([pictures], stopped.run, patient, resume=True)
    assert again.epochs == 4
    assert same_weights(again.run, tmp_path / "two")


def test_killed_before_its_weights_were_written_it_trains_no_further(
    pictures: Path, patient: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_monitor, "held_out_loss", falling_until(2))
    run = train([pictures], tmp_path / "run", patient).run
    rows = read_metrics(run / "metrics.jsonl")
    (run / "weights.safetensors").rename(run / "before.safetensors")
    heard = Heard()
    assert not train([pictures], run, patient, resume=True, reporter=heard).interrupted
    assert read_metrics(run / "metrics.jsonl") == rows
    before = load_file(run / "before.safetensors")  # whose header has its keys in another order
    weights = load_file(run / "weights.safetensors")
    assert before.keys() == weights.keys()
    assert all(torch.equal(before[name], weights[name]) for name in before)
    assert any(text.startswith("Stopping after epoch 4") for text in heard.messages)


def test_several_processes_refuse_to_stop_early_before_they_wait_for_each_other(
    pictures: Path, patient: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train([pictures], tmp_path / "run", patient, reporter=Interrupting(4))
    for rank in (0, 1):
        monkeypatch.setattr(loop, "world", lambda rank=rank: World(rank, 2))
        with pytest.raises(UsageError, match="cannot stop early") as caught:
            train([pictures], tmp_path / "run", patient, resume=True)
        assert caught.value.remedy == "Go on with it in one process."
        with pytest.raises(UsageError, match="cannot stop early") as caught:
            train([pictures], tmp_path / "new", patient)
        assert caught.value.remedy == "Leave out --patience, or take one process."


def test_stopped_early_and_resumed_is_the_same_run(
    pictures: Path, patient: TrainConfig, tmp_path: Path
) -> None:
    whole = train([pictures], tmp_path / "whole", patient)
    losses = [row["held_out_loss"] for row in read_metrics(whole.run / "metrics.jsonl")]
    assert all(isinstance(loss, float) for loss in losses)
    starts = 0
    while train(
        [pictures], tmp_path / "parts", patient, resume=starts > 0, reporter=Interrupting(4)
    ).interrupted:
        starts += 1
    assert starts > 1
    assert same_weights(whole.run, tmp_path / "parts")
    again = [row["held_out_loss"] for row in read_metrics(tmp_path / "parts" / "metrics.jsonl")]
    assert again == losses


def test_the_best_is_the_first_of_the_least() -> None:
    rows = [{"epoch": n, "held_out_loss": loss} for n, loss in enumerate([3, 1, 2, 1], start=1)]
    assert best_epoch(rows) == 2
    assert patience_exhausted(rows, 2)
    assert not patience_exhausted(rows, 3)
    assert not patience_exhausted(rows, None)
    assert best_epoch([json.loads('{"epoch": 1}')]) is None


def test_a_classifier_has_no_use_for_it(tiny: TrainConfig) -> None:
    with pytest.raises(UsageError, match="patience is for training without labels"):
        replace(tiny, method="supervised", head="none", patience=3)
