"""NT-Xent against closed forms, a slow loop and a second source."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clr_search.train.losses.nt_xent import nt_xent
from tests.train.losses.slow import mean, slow_terms


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_lightly(temperature: float) -> None:
    """A second source."""
    from lightly.loss import NTXentLoss

    torch.manual_seed(5)
    z1, z2 = torch.randn(12, 9), torch.randn(12, 9)
    ours = nt_xent(z1, z2, temperature).loss
    torch.testing.assert_close(ours, NTXentLoss(temperature)(z1, z2))


def test_dot_products_where_length_counts() -> None:
    torch.manual_seed(0)
    z1, z2 = torch.randn(5, 3), torch.randn(5, 3)
    expected = mean(
        [
            math.log(sum(math.exp(s / 2) for s in (positive, *negatives))) - positive / 2
            for positive, negatives in slow_terms(z1, z2, normalise=False)
        ]
    )
    found = nt_xent(z1, z2, 2.0, normalise=False)
    assert found.loss.item() == pytest.approx(expected, rel=1e-5)
    tiled = nt_xent(z1, z2, 2.0, normalise=False, tile=4)
    assert tiled.loss.item() == pytest.approx(expected, rel=1e-5)


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
