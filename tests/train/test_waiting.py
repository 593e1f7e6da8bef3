"""A step reads nothing from the device, so that a GPU is never waited for.

Shown on torch's device "meta", whose tensors have shapes and no values: whatever would read one (a
number, a size that depends on values, a copy to the processor) raises. Dice, order and indices are
of the processor, and are only ever sent by `sent`: any other copy from there waits, too, since its
memory is not pinned, and so does a tensor made on the device of a number of Python's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.hardware import sent
from clr_search.train.losses.tiled import tiled_nt_xent
from clr_search.train.methods import Method
from clr_search.train.methods.instdisc import InstDisc
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.methods.supervised import Supervised
from clr_search.train.network.average import Average
from clr_search.train.optimization.optimizers import build_optimizer
from clr_search.train.optimization.step import take_step
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig

IMAGES, SIDE = 16, 16
aten = torch.ops.aten


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


class OnlySent(TorchDispatchMode):
    """Refuses what brings values from the processor to the device, but for `sent`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [at for at in tree_leaves((args, kwargs)) if isinstance(at, torch.Tensor)]
        arrived = isinstance(out, torch.Tensor) and out.device.type == "meta"
        copied = func in (aten._to_copy.default, aten.copy_.default)
        waits = arrived and (
            func is aten.lift_fresh.default  # a tensor of numbers of Python's
            or (copied and any(at.device.type == "cpu" for at in given))
            # Of no dimension, it goes along as a number.
            or any(at.device.type == "cpu" and at.ndim for at in given)
        )
        if waits and not in_sent():
            raise RuntimeError(f"{func} waits for the device")
        return out


def in_sent() -> bool:
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code is not sent.__code__:
        frame = frame.f_back
    return frame.f_code is sent.__code__


def step(method: Method, config: ResolvedConfig) -> None:
    optimizer = build_optimizer(method.networks, config)
    average = Average(method.networks, 0.99)
    for number in range(2):  # the second finds the state that the first has made
        generator, pictures = torch.Generator().manual_seed(number), batch()
        with OnlySent():
            objective = take_step(method, optimizer, pictures, 1e-3, generator)
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


def test_supervised() -> None:
    config = config_of(method="supervised")
    pixels = torch.zeros(IMAGES, SIDE, 3, SIDE, dtype=torch.uint8)
    numbers = torch.arange(IMAGES)
    collection = Collection(
        pixels, numbers, torch.ones(IMAGES), numbers % 2, ("a", "b"), skipped=[], fingerprint=""
    )
    step(Supervised(config, collection), config)


def test_the_loss_in_tiles() -> None:
    z = torch.zeros(32, 8, device="meta", requires_grad=True)
    with OnlySent():
        tiled_nt_xent(z, 0.1, 5)[0].backward()


@pytest.mark.parametrize(
    "slow",
    [
        lambda there: torch.as_tensor(0.5, device="meta"),
        lambda there: torch.tensor([1, 2], device="meta"),
        lambda there: torch.arange(3).to("meta"),
        lambda there: there[torch.arange(3)],
        lambda there: there.copy_(torch.zeros(5)),
    ],
)
def test_what_is_copied_is_noticed(slow: Callable[[torch.Tensor], torch.Tensor]) -> None:
    there = torch.zeros(5, device="meta")
    with OnlySent(), pytest.raises(RuntimeError, match="waits for the device"):
        slow(there)


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
