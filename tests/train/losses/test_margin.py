"""The margin triplet loss against its loop and a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clr_search.train.losses.margin import margin_triplet
from clr_search.train.losses.nt_xent import nt_xent
from tests.train.losses.slow import mean, slow_semi_hard, slow_terms


def slow_margin(z1: Tensor, z2: Tensor, margin: float, semi_hard: bool) -> float:
    losses = []
    for positive, negatives in slow_terms(z1, z2):
        taken = [slow_semi_hard(positive, negatives)] if semi_hard else negatives
        losses.append(mean([max(s - positive + margin, 0) for s in taken]))
    return mean(losses)


@pytest.mark.parametrize("count", [2, 5, 16])
@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("semi_hard", [False, True])
def test_equals_its_loop(count: int, margin: float, semi_hard: bool) -> None:
    torch.manual_seed(count)
    z1, z2 = 3 * torch.randn(count, 7), torch.randn(count, 7)
    found = margin_triplet(z1, z2, margin, semi_hard=semi_hard)
    expected = slow_margin(z1, z2, margin, semi_hard)
    assert found.loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert found.accuracy == nt_xent(z1, z2, 1.0).accuracy


def test_closed_form_for_identical_views_of_orthogonal_images() -> None:
    """Similarity is 1 to the partner and 0 to the 2N − 2 others."""
    z = torch.eye(6)
    assert margin_triplet(z, z, 0.4).loss.item() == 0
    assert margin_triplet(z, z, 1.4).loss.item() == pytest.approx(0.4, rel=1e-5)
