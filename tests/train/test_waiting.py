"""A step reads nothing from the device, so that a GPU is never waited for.

Shown on torch's device "meta", whose tensors have shapes and no values: whatever would read one (a
number, a size that depends on values, a copy to the processor) raises. Dice, order and indices are
of the processor, and are only ever sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch

from clr_search.train.average import Average
from clr_search.train.choices import resolve
from clr_search.train.config import ResolvedConfig, TrainConfig
from clr_search.train.data import Batch
from clr_search.train.hardware import sent
from clr_search.train.methods import Method
from clr_search.train.methods.instdisc import InstDisc
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.optim import build_optimizer
from clr_search.train.trainer import take_step

IMAGES, SIDE = 16, 16


@pytest.fixture(autouse=True)
def autocast_knows_meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Which it does not: there is nothing to compute in another type."""
    monkeypatch.setattr(torch, "autocast", lambda *given, **more: nullcontext())
    return


def config_of(**changed: Any) -> ResolvedConfig:
    asked = TrainConfig(
        image_size=SIDE, cache_size=SIDE, batch_size=IMAGES, width=0.25, device="cpu", **changed
    )
    return replace(resolve(asked, 4 * IMAGES), device="meta")


def batch() -> Batch:
    pixels = torch.zeros(IMAGES, SIDE, 3, SIDE, dtype=torch.uint8, device="meta")
    indices = torch.arange(IMAGES)
    return Batch(pixels, torch.ones(IMAGES), indices, indices, slice(0, IMAGES), SIDE)


def step(method: Method, config: ResolvedConfig) -> None:
    optimizer = build_optimizer(method.networks, config)
    average = Average(method.networks, 0.99)
    for number in range(2):  # the second finds the state that the first has made
        generator = torch.Generator().manual_seed(number)
        objective = take_step(method, optimizer, batch(), 1e-3, generator)
        average.update(method.networks, number)
        assert objective.loss.device.type == "meta"


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"optimizer": "lars"},
        {"optimizer": "sgd"},
        {"loss": "dcl"},
        {"loss": "nt-logistic-semi-hard"},
        {"loss": "margin-semi-hard"},
        {"micro_batch": 8},
        {"norm": "group"},
        {"local_views": 2},
    ],
    ids=str,
)
def test_simclr(changed: dict[str, Any]) -> None:
    config = config_of(**changed)
    step(SimCLR(config), config)


@pytest.mark.parametrize("negatives", [0, 8])
def test_instance_discrimination(negatives: int) -> None:
    config = config_of(method="instdisc", negatives=negatives)
    method = InstDisc(config, 4 * IMAGES)
    method._estimated = True  # after the first batch, whose estimate is read
    step(method, config)


def test_what_is_read_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above fails where a step does wait."""
    config = config_of()
    method = SimCLR(config)
    loss = method._loss

    def curious(z1: torch.Tensor, z2: torch.Tensor) -> Any:
        objective = loss(z1, z2)
        assert float(objective.loss.detach()) >= 0
        return objective

    monkeypatch.setattr(method, "_loss", curious)
    with pytest.raises((RuntimeError, NotImplementedError)):
        step(method, config)


def test_sent_on_the_processor_is_the_same() -> None:
    there = torch.arange(5)
    assert sent(there, torch.device("cpu")) is there
