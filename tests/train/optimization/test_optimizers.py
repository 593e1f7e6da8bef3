"""LARS against its formula, what the optimizers leave out, and the schedule."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from clr_search.train.network.model import build_encoder, build_head
from clr_search.train.optimization.optimizers import LARS, build_optimizer
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.config import TrainConfig


def norm(values: list[float]) -> float:
    return math.sqrt(sum(v * v for v in values))


@pytest.mark.parametrize("adapt", [True, False])
def test_lars_follows_its_formula(adapt: bool) -> None:
    rate, momentum, decay, trust = 0.5, 0.9, 0.01, 0.001
    weight = [0.3, -0.4, 1.2]
    velocity = [0.0] * 3
    tensor = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    optimizer = LARS([{"params": [tensor], "adapt": adapt}], rate, momentum, decay, trust)
    for step in range(5):
        gradient = [math.sin(step + i) for i in range(3)]
        tensor.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        decayed = [g + decay * w for g, w in zip(gradient, weight, strict=True)]
        local = trust * norm(weight) / norm(decayed) if adapt else 1.0
        velocity = [momentum * v + rate * local * d for v, d in zip(velocity, decayed, strict=True)]
        weight = [w - v for w, v in zip(weight, velocity, strict=True)]
        assert tensor.tolist() == pytest.approx(weight, rel=1e-12)


def test_lars_moves_a_weight_of_zeros_by_the_plain_rate() -> None:
    tensor = torch.zeros(2, requires_grad=True)
    tensor.grad = torch.ones(2)
    LARS([tensor], lr=0.1).step()
    torch.testing.assert_close(tensor.detach(), torch.full((2,), -0.1))


def test_lars_takes_a_closure() -> None:
    tensor = torch.ones(1, requires_grad=True)
    optimizer = LARS([tensor], lr=1.0)

    def closure() -> float:
        loss: Tensor = (tensor**2).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 1
    assert tensor.item() == pytest.approx(1 - 0.001 / 2 * 2)


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_normalisation_and_biases_are_left_out(name: str) -> None:
    config = resolve(
        replace(TrainConfig(width=0.25, weight_decay=0.1), optimizer=name, device="cpu"), 100
    )
    encoder = build_encoder(config)
    networks = nn.ModuleDict({"encoder": encoder, "head": build_head(config, encoder.dimension)})
    optimizer = build_optimizer(networks, config)
    decayed, plain = optimizer.param_groups
    assert decayed["weight_decay"] == 0.1
    assert plain["weight_decay"] == 0
    assert all(weight.ndim >= 2 for weight in decayed["params"])
    assert all(weight.ndim == 1 for weight in plain["params"])
    if name == "lars":
        assert decayed["adapt"]
        assert not plain["adapt"]
    trained = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    left_out = [n for n, w in networks.named_parameters() if id(w) not in trained]
    assert left_out == ["head.4.bias"]


@pytest.mark.parametrize("name", ["lars", "sgd", "adamw"])
def test_the_encoder_takes_its_share_of_the_rate(name: str) -> None:
    asked = TrainConfig(width=0.25, weight_decay=0.0, encoder_rate=0.1, device="cpu")
    config = resolve(replace(asked, optimizer=name), 100)
    encoder = build_encoder(config)
    networks = nn.ModuleDict({"encoder": encoder, "head": build_head(config, encoder.dimension)})
    optimizer = build_optimizer(networks, config)
    of_encoder = {id(weight) for weight in encoder.parameters()}
    for group in optimizer.param_groups:
        belong = {id(weight) in of_encoder for weight in group["params"]}
        assert len(belong) == 1
        assert group["share"] == (0.1 if belong.pop() else 1)
        if name == "lars":
            assert group["adapt"] == all(weight.ndim >= 2 for weight in group["params"])
    trained = sum(len(group["params"]) for group in optimizer.param_groups)
    assert trained == sum(weight.requires_grad for weight in networks.parameters())


def test_the_fused_adamw_of_processors_takes_the_plain_ones_steps() -> None:
    """It goes through memory as it lies: weights, gradients and state must lie alike."""
    config = resolve(replace(TrainConfig(width=0.25), device="cpu", optimizer="adamw"), 100)
    assert config.channels_last
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = []
    for fused in (True, False):
        encoder = build_encoder(config).to(memory_format=torch.channels_last)
        optimizer = build_optimizer(encoder, config)
        assert all(group["fused"] for group in optimizer.param_groups)
        for group in optimizer.param_groups:
            group["fused"] = fused
        for _ in range(3):
            optimizer.zero_grad()
            encoder(images).square().mean().backward()
            optimizer.step()
        found.append(encoder.state_dict())
    for name, tensor in found[0].items():
        torch.testing.assert_close(tensor, found[1][name], rtol=1e-4, atol=1e-6, msg=name)
