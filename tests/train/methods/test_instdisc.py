"""InstDisc against loops over the bank, and its bank over many steps."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.methods.instdisc import (
    InstDisc,
    MemoryBank,
    full_softmax,
    noise_contrastive,
)
from clr_search.train.settings.resolved import ResolvedConfig


@pytest.fixture
def settings(settings: ResolvedConfig) -> ResolvedConfig:
    return replace(settings, method="instdisc")


def unit(count: int, seed: int, dimension: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, dimension, generator=generator), dim=1)


def slow_nce(
    z: Tensor, bank: Tensor, indices: Tensor, drawn: Tensor, temperature: float, constant: float
) -> float:
    """Equations 4 to 6, term by term."""
    count, m = len(bank), len(drawn)

    def posterior(v: Tensor, i: int) -> float:
        p = math.exp(float(v @ bank[i]) / temperature) / constant
        return p / (p + m / count)

    total = 0.0
    for v, own in zip(z, indices.tolist(), strict=True):
        total -= math.log(posterior(v, own))
        total -= sum(math.log(1 - posterior(v, other)) for other in drawn.tolist())
    return total / len(z)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_full_softmax_equals_the_loop(temperature: float) -> None:
    z, bank, indices = unit(4, 0), unit(9, 1), torch.tensor([3, 0, 8, 3])
    losses = []
    for v, own in zip(z, indices.tolist(), strict=True):
        weights = [math.exp(float(v @ other) / temperature) for other in bank]
        losses.append(-math.log(weights[own] / sum(weights)))
    found = full_softmax(z, bank, indices, temperature)
    assert found.loss.item() == pytest.approx(sum(losses) / 4, rel=1e-5)
    assert full_softmax(bank[indices], bank, indices, temperature).accuracy == 1


@pytest.mark.parametrize("constant", [0.5, 30.0])
def test_nce_equals_the_loop(constant: float) -> None:
    z, bank, indices = unit(4, 0), unit(9, 1), torch.tensor([3, 0, 8, 3])
    drawn = torch.tensor([1, 1, 4, 7, 8, 2])
    found = noise_contrastive(z, bank, indices, drawn, 0.5, torch.tensor(constant))
    expected = slow_nce(z, bank, indices, drawn, 0.5, constant)
    assert found.loss.item() == pytest.approx(expected, rel=1e-5)


def test_an_update_mixes_and_stays_on_the_sphere() -> None:
    bank = MemoryBank(6, 5, torch.Generator().manual_seed(0))
    before = bank.vectors.clone()
    torch.testing.assert_close(before.norm(dim=1), torch.ones(6))
    z = unit(2, 3)
    bank.update(torch.tensor([5, 1]), z)
    expected = before.clone()
    for place, v in ((5, z[0]), (1, z[1])):
        mixed = 0.5 * before[place] + 0.5 * v
        expected[place] = mixed / mixed.norm()
    torch.testing.assert_close(bank.vectors, expected)


@pytest.mark.parametrize("negatives", [0, 20])
def test_the_bank_of_each_picture_is_its_own_over_epochs(
    collection: Collection, settings: ResolvedConfig, negatives: int
) -> None:
    """36 pictures in batches of 10: none of the last 6 is dropped or put where another belongs."""
    method = InstDisc(replace(settings, negatives=negatives), len(collection))
    bank = method.networks["bank"]
    for epoch in range(2):
        order = torch.randperm(36, generator=torch.Generator().manual_seed(epoch))
        for number, indices in enumerate(order.split(10)):
            before = bank.vectors.clone()
            pixels, aspects = collection.take(indices), collection.aspects[indices]
            batch = Batch(
                pixels, aspects, collection.labels[indices], indices, slice(0, len(indices)), 16
            )
            method.accumulate(batch, torch.Generator().manual_seed(number))
            changed = (bank.vectors != before).any(dim=1).nonzero()[:, 0]
            assert changed.tolist() == indices.sort().values.tolist()
    assert (float(bank.constant) > 0) == (negatives > 0)


def test_z_is_estimated_once(
    collection: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    method = InstDisc(replace(settings, negatives=15), len(collection))
    start = method.networks["bank"].vectors.clone()
    method.accumulate(batch, torch.Generator().manual_seed(0))
    constant = float(method.networks["bank"].constant)
    # exp(cosine / 0.1) of unrelated vectors in 16 dimensions, times 36 pictures.
    everything = (start @ start.T / settings.temperature).exp().mean() * 36
    assert 0 < constant < 10 * float(everything)
    method.accumulate(batch, torch.Generator().manual_seed(1))
    assert float(method.networks["bank"].constant) == constant


def test_parts_give_the_gradient_of_the_whole(
    collection: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    whole = InstDisc(settings, len(collection))
    parted = InstDisc(replace(settings, micro_batch=5), len(collection))
    expected = whole.accumulate(batch, torch.Generator().manual_seed(0))
    found = parted.accumulate(batch, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.loss, expected.loss)
    torch.testing.assert_close(found.accuracy, expected.accuracy)
    for ours, theirs in zip(parted.networks.parameters(), whole.networks.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(
        parted.networks["bank"].vectors, whole.networks["bank"].vectors, rtol=1e-4, atol=1e-6
    )
