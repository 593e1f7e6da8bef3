"""Losses against closed forms, slow loops over pairs, finite differences, and a second source."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from clr_search.train.losses.contrastive import (
    Objective,
    dcl,
    margin_triplet,
    nt_logistic,
    nt_xent,
    semi_hard_negative,
)

Loss = Callable[[Tensor, Tensor], Objective]

LOSSES: dict[str, Loss] = {
    "nt-xent": partial(nt_xent, temperature=0.3),
    "nt-xent tiled": partial(nt_xent, temperature=0.3, tile=3),
    "nt-xent dot": partial(nt_xent, temperature=2.0, normalise=False),
    "dcl": partial(dcl, temperature=0.3),
    "nt-logistic": partial(nt_logistic, temperature=0.3),
    "nt-logistic semi-hard": partial(nt_logistic, temperature=0.3, semi_hard=True),
    "margin": partial(margin_triplet, margin=0.4),
    "margin semi-hard": partial(margin_triplet, margin=0.4, semi_hard=True),
}


def slow_similarities(z1: Tensor, z2: Tensor, normalise: bool = True) -> list[list[float]]:
    """All 2N × 2N, one by one, in double precision."""
    z = [v.double() for v in (*z1, *z2)]
    if normalise:
        z = [v / v.norm() for v in z]
    return [[float(a @ b) for b in z] for a in z]


def slow_terms(z1: Tensor, z2: Tensor, normalise: bool = True) -> list[tuple[float, list[float]]]:
    """Of each view: similarity to its partner, and to all views of other images."""
    count, similarity = len(z1), slow_similarities(z1, z2, normalise)
    terms = []
    for i, row in enumerate(similarity):
        partner = (i + count) % (2 * count)
        terms.append((row[partner], [s for k, s in enumerate(row) if k not in (i, partner)]))
    return terms


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def slow_semi_hard(positive: float, negatives: list[float]) -> float:
    easier = [s for s in negatives if s < positive]
    return max(easier) if easier else min(negatives)


def slow_dcl(z1: Tensor, z2: Tensor, temperature: float) -> float:
    return mean(
        [
            math.log(sum(math.exp(s / temperature) for s in negatives)) - positive / temperature
            for positive, negatives in slow_terms(z1, z2)
        ]
    )


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


def slow_margin(z1: Tensor, z2: Tensor, margin: float, semi_hard: bool) -> float:
    losses = []
    for positive, negatives in slow_terms(z1, z2):
        taken = [slow_semi_hard(positive, negatives)] if semi_hard else negatives
        losses.append(mean([max(s - positive + margin, 0) for s in taken]))
    return mean(losses)


@pytest.mark.parametrize("count", [2, 5, 16])
@pytest.mark.parametrize("number", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("semi_hard", [False, True])
def test_other_losses_equal_their_loops(count: int, number: float, semi_hard: bool) -> None:
    torch.manual_seed(count)
    z1, z2 = 3 * torch.randn(count, 7), torch.randn(count, 7)
    for found, expected in (
        (dcl(z1, z2, number), slow_dcl(z1, z2, number)),
        (
            nt_logistic(z1, z2, number, semi_hard=semi_hard),
            slow_logistic(z1, z2, number, semi_hard),
        ),
        (
            margin_triplet(z1, z2, number, semi_hard=semi_hard),
            slow_margin(z1, z2, number, semi_hard),
        ),
    ):
        assert found.loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert found.accuracy == nt_xent(z1, z2, 1.0).accuracy


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_equals_lightly(temperature: float) -> None:
    """A second source."""
    from lightly.loss import DCLLoss, NTXentLoss

    torch.manual_seed(5)
    z1, z2 = torch.randn(12, 9), torch.randn(12, 9)
    ours = nt_xent(z1, z2, temperature).loss
    torch.testing.assert_close(ours, NTXentLoss(temperature)(z1, z2))
    theirs = DCLLoss(temperature)(z1, z2)
    torch.testing.assert_close(dcl(z1, z2, temperature).loss, theirs)


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


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_closed_forms_for_identical_views_of_orthogonal_images(temperature: float) -> None:
    """Similarity is 1 to the partner and 0 to the 2N − 2 others."""
    count = 6
    z = torch.eye(count)
    softplus = math.log(1 + math.exp(-1 / temperature)) + math.log(2)
    assert dcl(z, z, temperature).loss.item() == pytest.approx(
        math.log(2 * count - 2) - 1 / temperature, rel=1e-5
    )
    assert nt_logistic(z, z, temperature).loss.item() == pytest.approx(softplus, rel=1e-5)
    assert margin_triplet(z, z, 0.4).loss.item() == 0
    assert margin_triplet(z, z, 1.4).loss.item() == pytest.approx(0.4, rel=1e-5)


def test_the_semi_hard_negative_is_the_nearest_that_is_farther_than_the_partner() -> None:
    inf = math.inf
    negatives = torch.tensor([[0.9, 0.4, 0.1, -inf], [0.9, 0.8, 0.7, -inf], [0.5, 0.2, -0.3, -inf]])
    found = semi_hard_negative(torch.tensor([0.5, 0.6, 0.5]), negatives)
    torch.testing.assert_close(found, torch.tensor([0.4, 0.7, 0.2]))


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
