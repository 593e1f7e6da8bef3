"""What holds for every loss: finite differences, extremes, and descent."""

from __future__ import annotations

import pytest
import torch

from tests.train.losses.slow import LOSSES


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_equal_finite_differences(name: str) -> None:
    torch.manual_seed(1)
    z1 = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    z2 = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: LOSSES[name](a, b).loss, (z1, z2))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_stays_finite_at_extremes(name: str) -> None:
    z1 = torch.randn(8, 4).mul(1e4).requires_grad_()
    loss = LOSSES[name](z1, torch.zeros(8, 4)).loss
    loss.backward()
    assert loss.isfinite()
    assert z1.grad is not None
    assert z1.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls_when_followed_downhill(name: str) -> None:
    torch.manual_seed(3)
    z1, z2 = torch.randn(8, 6, requires_grad=True), torch.randn(8, 6, requires_grad=True)
    optimizer = torch.optim.SGD([z1, z2], lr=0.5)
    before = LOSSES[name](z1, z2).loss.item()
    for _ in range(40):
        optimizer.zero_grad()
        LOSSES[name](z1, z2).loss.backward()
        optimizer.step()
    assert LOSSES[name](z1, z2).loss.item() < before
