"""NT-Logistic against its loop and a closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clr_search.train.losses.nt_logistic import nt_logistic
from clr_search.train.losses.nt_xent import nt_xent
from tests.train.losses.slow import mean, slow_semi_hard, slow_terms


def slow_logistic(z1: Tensor, z2: Tensor, temperature: float, semi_hard: bool) -> float:
    def log_sigmoid(x: float) -> float:
        return -math.log(1 + math.exp(-x))

    losses = []
    for positive, negatives in slow_terms(z1, z2):
        taken = [slow_semi_hard(positive, negatives)] if semi_hard else negatives
        losses.append(
            -log_sigmoid(positive / temperature)
            - mean([log_sigmoid(-s / temperature) for s in taken])
        )
    return mean(losses)


@pytest.mark.parametrize("count", [2, 5, 16])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("semi_hard", [False, True])
def test_equals_its_loop(count: int, temperature: float, semi_hard: bool) -> None:
    torch.manual_seed(count)
    z1, z2 = 3 * torch.randn(count, 7), torch.randn(count, 7)
    found = nt_logistic(z1, z2, temperature, semi_hard=semi_hard)
    expected = slow_logistic(z1, z2, temperature, semi_hard)
    assert found.loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert found.accuracy == nt_xent(z1, z2, 1.0).accuracy


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_closed_form_for_identical_views_of_orthogonal_images(temperature: float) -> None:
    """Similarity is 1 to the partner and 0 to the 2N − 2 others."""
    z = torch.eye(6)
    softplus = math.log(1 + math.exp(-1 / temperature)) + math.log(2)
    assert nt_logistic(z, z, temperature).loss.item() == pytest.approx(softplus, rel=1e-5)
