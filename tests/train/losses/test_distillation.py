"""Distillation against its loop, closed forms, and what it is to reach."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clr_search.train.losses.distillation import distillation
from tests.train.losses.slow import mean


def softmax(values: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in values]
    return [power / sum(powers) for power in powers]


def slow_distillation(p: Tensor, targets: Tensor, references: Tensor, temperature: float) -> float:
    """Picture by picture, in double precision: 1 − cosine, and SEED's cross entropy − entropy."""
    terms = []
    for row, target in zip(p.double(), targets.double(), strict=True):
        unit = row / row.norm()
        among = [target, *references.double()]
        student = softmax([float(unit @ other) for other in among], temperature)
        teacher = softmax([float(target @ other) for other in among], temperature)
        cross = -sum(t * math.log(s) for t, s in zip(teacher, student, strict=True))
        entropy = -sum(t * math.log(t) for t in teacher)
        terms.append(1 - float(unit @ target) + cross - entropy)
    return mean(terms)


def unit_rows(count: int, length: int) -> Tensor:
    return F.normalize(torch.randn(count, length), dim=1)


@pytest.mark.parametrize("count", [1, 5, 16])
@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
def test_equals_its_loop(count: int, temperature: float) -> None:
    torch.manual_seed(count)
    p, targets, references = 3 * torch.randn(count, 7), unit_rows(count, 7), unit_rows(9, 7)
    found = distillation(p, targets, references, temperature)
    expected = slow_distillation(p, targets, references, temperature)
    assert found.loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_closed_form_for_a_student_that_takes_a_picture_for_another(temperature: float) -> None:
    """The teacher gives 1 to the picture and 0 to the other; the student the other way round."""
    t = torch.eye(2)
    found = distillation(t[:1], t[1:], t[:1], temperature)
    odds = math.exp(1 / temperature)
    divergence = (odds - 1) / (odds + 1) / temperature
    assert found.loss.item() == pytest.approx(1 + divergence, rel=1e-5)
    assert found.accuracy == 0


def test_the_teacher_itself_costs_nothing() -> None:
    torch.manual_seed(0)
    targets, references = unit_rows(6, 5), unit_rows(20, 5)
    found = distillation(7 * targets, targets, references)
    assert found.loss.item() == pytest.approx(0, abs=1e-6)
    assert found.accuracy == 1


def test_descending_leads_to_the_teacher() -> None:
    torch.manual_seed(1)
    targets, references = unit_rows(6, 5), unit_rows(20, 5)
    p = torch.randn(6, 5, requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        distillation(p, targets, references).loss.backward()
        optimizer.step()
    assert (F.normalize(p.detach(), dim=1) * targets).sum(dim=1).min() > 0.99


def test_the_teacher_gets_no_gradient_and_lengths_do_not_count() -> None:
    torch.manual_seed(2)
    p = torch.randn(4, 3, requires_grad=True)
    targets, references = unit_rows(4, 3), unit_rows(8, 3)
    distillation(p, targets, references).loss.backward()
    assert p.grad is not None
    across = (p.grad * p.detach()).sum(dim=1)  # along the vector, nothing changes
    torch.testing.assert_close(across, torch.zeros(4), atol=1e-5, rtol=0)
