"""Signs of a training that goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from clr_search.errors import ClrSearchError, UsageError
from clr_search.progress import Silent
from clr_search.train import TrainConfig, load_run, train, trainer
from clr_search.train.checkpoint import CHECKPOINT
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.monitor.health import (
    DivergedError,
    require_finite_loss,
    require_finite_weights,
    spread,
)


class Listening(Silent):
    """A reporter that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def message(self, text: str) -> None:
        self.told.append(text)


def test_orthogonal_vectors_have_full_rank_and_equal_ones_rank_one() -> None:
    full = spread(torch.eye(8))
    assert full.effective_rank == pytest.approx(8)
    assert full.mean_cosine == pytest.approx(0)
    one = spread(F.normalize(torch.ones(8, 5), dim=1))
    assert one.effective_rank == pytest.approx(1)
    assert one.mean_cosine == pytest.approx(1)
    assert (full.collapsed, one.collapsed) == (False, True)


def test_mean_cosine_equals_the_loop_over_pairs() -> None:
    x = F.normalize(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    pairs = [float(a @ b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    assert spread(x).mean_cosine == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_an_error(loss: float, tmp_path: Path) -> None:
    require_finite_loss(1.0, tmp_path, 3)
    with pytest.raises(ClrSearchError, match="around step 1,234: training has diverged") as caught:
        require_finite_loss(loss, tmp_path, 1234)
    assert "--learning-rate" in caught.value.remedy
    assert "checkpoint" not in caught.value.remedy  # there is none


def test_a_training_that_diverges_stops_and_keeps_its_last_good_checkpoint(
    pictures: Path, tiny: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, steps = SimCLR.accumulate, 0

    def diverging(self: SimCLR, *given: object) -> Objective:
        nonlocal steps
        steps += 1
        found = original(self, *given)  # type: ignore[arg-type]
        return found if steps <= 6 else Objective(found.loss * float("nan"), found.accuracy)

    monkeypatch.setattr(SimCLR, "accumulate", diverging)
    out = tmp_path / "run"
    with pytest.raises(ClrSearchError, match="diverged") as caught:
        train([pictures], out, tiny)
    assert str(out / CHECKPOINT) in caught.value.remedy
    monkeypatch.setattr(SimCLR, "accumulate", original)
    result = train([pictures], out, tiny, resume=True)
    assert (result.epochs, result.interrupted) == (3, False)
    assert all(row["loss"] < 10 for row in load_run(out).metrics)


def test_weights_that_are_not_finite_are_noticed_though_every_loss_was(tmp_path: Path) -> None:
    networks = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    require_finite_weights(networks, tmp_path, 5)
    for tensor in networks.state_dict().values():
        if tensor.is_floating_point():
            kept = tensor.clone()
            tensor.view(-1)[-1] = float("inf")
            with pytest.raises(DivergedError, match="Weights are not finite around step 5"):
                require_finite_weights(networks, tmp_path, 5)
            tensor.copy_(kept)


@pytest.mark.parametrize("good_epochs", [0, 2])
@pytest.mark.parametrize(
    ("spoilt", "what"), [(float("nan"), "Weights"), (3e38, "Representations of images")]
)
def test_an_update_that_spoils_the_weights_ends_as_divergence_does(
    good_epochs: int,
    spoilt: float,
    what: str,
    pictures: Path,
    tiny: TrainConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss of a step is computed before its update: the last one of an epoch spoils unseen.

    Weights may stay finite, while what is computed with them does not.
    """
    original, last_step = trainer.take_step, 4 * (good_epochs + 1)

    def spoiling(*given: object) -> Objective:
        nonlocal last_step
        last_step -= 1
        objective = original(*given)  # type: ignore[arg-type]
        if last_step == 0:
            method = cast(SimCLR, given[0])
            next(method.networks.parameters()).data.fill_(spoilt)
        return objective

    monkeypatch.setattr(trainer, "take_step", spoiling)
    out = tmp_path / "run"
    with pytest.raises(DivergedError, match=f"{what} are not finite"):
        train([pictures], out, tiny)
    if good_epochs:
        run = load_run(out)  # the weights of the last good checkpoint
        assert run.epochs == good_epochs
        assert all(bool(t.isfinite().all()) for t in run.encoder.state_dict().values())
    else:
        with pytest.raises(UsageError, match="no weights yet"):
            load_run(out)


def test_a_training_that_is_late_says_so_once(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    listening = Listening()
    config = replace(tiny, epochs=1000, seconds=0.5)
    train([pictures], tmp_path / "late", config, reporter=listening)
    remarks = [text for text in listening.told if "Slower than when it was timed" in text]
    assert len(remarks) == 1
    assert "epochs fit into the time, not 1,000. Other programs" in remarks[0]
    in_time = Listening()
    train([pictures], tmp_path / "early", replace(tiny, seconds=1e6), reporter=in_time)
    assert not [text for text in in_time.told if "Slower" in text]


def test_images_all_alike_are_remarked_on(tiny: TrainConfig, tmp_path: Path) -> None:
    folder = tmp_path / "same"
    folder.mkdir()
    for number in range(10):
        Image.new("RGB", (20, 20), (90, 120, 30)).save(folder / f"{number}.png")
    listening = Listening()
    train([folder], tmp_path / "run", replace(tiny, epochs=2), reporter=listening)
    remarks = [text for text in listening.told if "nearly the same vector" in text]
    assert len(remarks) == 1
    row = load_run(tmp_path / "run").metrics[-1]
    assert row["mean_cosine"] == pytest.approx(1, abs=1e-3)
    assert row["effective_rank"] == pytest.approx(1, abs=0.1)


def test_the_spread_needs_no_doubles_on_the_device() -> None:
    """Apple's MPS has none."""

    class OnMps:
        def double(self) -> Tensor:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

        def cpu(self) -> Tensor:
            return torch.eye(4)

    found = spread(cast(Tensor, OnMps()))
    assert found.effective_rank == pytest.approx(4)
    assert found.mean_cosine == pytest.approx(0)
