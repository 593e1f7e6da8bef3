"""NT-Xent against closed forms, a slow loop over pairs, and finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clr_search.train.losses import nt_xent


def slow_nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> float:
    """Equation 1 of the paper, term by term, in double precision."""
    z = [v.double() / v.double().norm() for v in (*z1, *z2)]
    count = len(z1)
    total = 0.0
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        similarity = [float(z[i] @ other) / temperature for other in z]
        rest = sum(math.exp(s) for k, s in enumerate(similarity) if k != i)
        total -= math.log(math.exp(similarity[partner]) / rest)
    return total / (2 * count)


@pytest.mark.parametrize("count", [1, 2, 5, 16])
@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5, 1.0, 10.0])
def test_equals_the_slow_loop(count: int, temperature: float) -> None:
    torch.manual_seed(count)
    z1, z2 = 3 * torch.randn(count, 7), torch.randn(count, 7)
    loss = nt_xent(z1, z2, temperature).loss
    assert loss.item() == pytest.approx(slow_nt_xent(z1, z2, temperature), rel=1e-5)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_identical_views_of_orthogonal_images(temperature: float) -> None:
    # Similarity is 1 to the partner and 0 to the 2N − 2 others.
    count = 6
    z = torch.eye(count)
    expected = math.log(math.exp(1 / temperature) + 2 * count - 2) - 1 / temperature
    found = nt_xent(z, z, temperature)
    assert found.loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert found.accuracy.item() == 1


def test_collapse_costs_the_logarithm_of_the_others() -> None:
    z = torch.ones(8, 4)
    assert nt_xent(z, z, 0.1).loss.item() == pytest.approx(math.log(15), rel=1e-6)


def test_partners_opposite_are_never_nearest() -> None:
    z = torch.eye(4)
    assert nt_xent(z, -z, 0.5).accuracy.item() == 0


def test_one_image_has_nothing_to_contrast_with() -> None:
    found = nt_xent(torch.randn(1, 3), torch.randn(1, 3), 0.1)
    assert found.loss.item() == 0
    assert found.accuracy.item() == 1


def test_length_and_common_order_do_not_matter() -> None:
    torch.manual_seed(0)
    z1, z2 = torch.randn(9, 5), torch.randn(9, 5)
    order = torch.randperm(9)
    loss = nt_xent(z1, z2, 0.2).loss
    torch.testing.assert_close(nt_xent(7 * z1, 0.1 * z2, 0.2).loss, loss)
    torch.testing.assert_close(nt_xent(z1[order], z2[order], 0.2).loss, loss)
    torch.testing.assert_close(nt_xent(z2, z1, 0.2).loss, loss)


def test_stays_finite_at_extremes() -> None:
    z1 = torch.randn(8, 4).mul(1e4).requires_grad_()
    loss = nt_xent(z1, torch.zeros(8, 4), 1e-3).loss
    loss.backward()
    assert loss.isfinite()
    assert z1.grad is not None
    assert z1.grad.isfinite().all()


def test_gradient_equals_finite_differences() -> None:
    torch.manual_seed(1)
    z1 = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    z2 = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.3).loss, (z1, z2))
