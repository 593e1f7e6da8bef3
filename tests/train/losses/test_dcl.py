"""DCL against its loop, a closed form and a second source."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clr_search.train.losses.dcl import dcl
from clr_search.train.losses.nt_xent import nt_xent
from tests.train.losses.slow import mean, slow_terms


def slow_dcl(z1: Tensor, z2: Tensor, temperature: float) -> float:
    return mean(
        [
            math.log(sum(math.exp(s / temperature) for s in negatives)) - positive / temperature
            for positive, negatives in slow_terms(z1, z2)
        ]
    )


@pytest.mark.parametrize("count", [2, 5, 16])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_equals_its_loop(count: int, temperature: float) -> None:
    torch.manual_seed(count)
    z1, z2 = 3 * torch.randn(count, 7), torch.randn(count, 7)
    found, expected = dcl(z1, z2, temperature), slow_dcl(z1, z2, temperature)
    assert found.loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert found.accuracy == nt_xent(z1, z2, 1.0).accuracy


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_closed_form_for_identical_views_of_orthogonal_images(temperature: float) -> None:
    """Similarity is 1 to the partner and 0 to the 2N − 2 others."""
    count = 6
    z = torch.eye(count)
    assert dcl(z, z, temperature).loss.item() == pytest.approx(
        math.log(2 * count - 2) - 1 / temperature, rel=1e-5
    )


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_lightly(temperature: float) -> None:
    """A second source."""
    from lightly.loss import DCLLoss

    torch.manual_seed(5)
    z1, z2 = torch.randn(12, 9), torch.randn(12, 9)
    theirs = DCLLoss(temperature)(z1, z2)
    torch.testing.assert_close(dcl(z1, z2, temperature).loss, theirs)
