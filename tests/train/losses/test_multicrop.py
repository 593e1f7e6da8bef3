"""The loss of local views, and where it is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from clr_search.errors import UsageError
from clr_search.train import TrainConfig
from clr_search.train.losses import multicrop
from clr_search.train.losses.multicrop import local_to_global, mean_of_pairs
from clr_search.train.settings.advice import summary
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.resolved import ResolvedConfig

CPU = TrainConfig(device="cpu", precision="fp32")


def slow(
    local: Tensor, z1: Tensor, z2: Tensor, temperature: float, normalise: bool, decoupled: bool
) -> float:
    """One pair after the other, in double precision."""

    def similarity(a: Tensor, b: Tensor) -> float:
        a, b = a.double(), b.double()
        return float(a @ b / (a.norm() * b.norm() if normalise else 1) / temperature)

    terms = []
    for view in local:
        for i, u in enumerate(view):
            negatives = [
                math.exp(similarity(u, z[k])) for z in (z1, z2) for k in range(len(z1)) if k != i
            ]
            for z in (z1, z2):
                own = similarity(u, z[i])
                denominator = sum(negatives) + (0 if decoupled else math.exp(own))
                terms.append(math.log(denominator) - own)
    return sum(terms) / len(terms)


@pytest.mark.parametrize(("views", "count"), [(1, 2), (1, 5), (4, 3)])
@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("decoupled", [True, False])
def test_equals_its_loop(views: int, count: int, normalise: bool, decoupled: bool) -> None:
    generator = torch.Generator().manual_seed(10 * views + count)
    local = 2 * torch.randn(views, count, 6, generator=generator)
    z1, z2 = torch.randn(2, count, 6, generator=generator)
    found = local_to_global(local, z1, z2, 0.4, normalise=normalise, decoupled=decoupled)
    expected = slow(local, z1, z2, 0.4, normalise, decoupled)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def gradients(decoupled: bool) -> tuple[Tensor, ...]:
    """The loss of 3 × 7 local views in double precision, and its gradients."""
    generator = torch.Generator().manual_seed(1)
    local = torch.randn(3, 7, 5, dtype=torch.float64, generator=generator).requires_grad_()
    z1, z2 = torch.randn(2, 7, 5, dtype=torch.float64, generator=generator)
    z1.requires_grad_()
    z2.requires_grad_()
    loss = local_to_global(local, z1, z2, 0.3, decoupled=decoupled)
    return (loss.detach(), *torch.autograd.grad(2 * loss, (local, z1, z2)))


@pytest.mark.parametrize("decoupled", [True, False])
@pytest.mark.parametrize("anchors", [1, 4, 7, 20, 21])
def test_blocks_have_the_loss_and_the_gradient_of_the_whole(
    anchors: int, decoupled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """21 anchors and 14 global views, so many anchors at a time."""
    expected = gradients(decoupled)
    monkeypatch.setattr(multicrop, "BLOCK", anchors * 14 + 13)
    for found, whole in zip(gradients(decoupled), expected, strict=True):
        torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-14)


class Largest(TorchDispatchMode):
    """Notes the numbers in the largest tensor that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, operation, types, args=(), kwargs=None
    ):
        made = operation(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self.numbers = max(self.numbers, made.numel())
        return made


def test_no_tensor_of_a_large_batch_is_larger_than_a_block() -> None:
    """On the device "meta", where there are shapes only: 8,192 pictures with 4 local views."""
    local = torch.empty(4, 8192, 128, device="meta", requires_grad=True)
    z1, z2 = (torch.empty(8192, 128, device="meta", requires_grad=True) for _ in range(2))
    with Largest() as made:
        local_to_global(local, z1, z2, 0.1).backward()  # type: ignore[no-untyped-call]
    assert local.grad is not None
    assert made.numbers == max(multicrop.BLOCK, local.numel())


def test_orthogonal_pictures_have_a_closed_form() -> None:
    """Each local view on its picture's global views, all others at a right angle."""
    count, temperature = 5, 0.5
    z = torch.eye(count)
    found = local_to_global(z.repeat(3, 1, 1), z, z, temperature).item()
    assert found == pytest.approx(math.log1p((2 * count - 2) * math.exp(-1 / temperature)))
    found = local_to_global(z.repeat(3, 1, 1), z, z, temperature, decoupled=True).item()
    assert found == pytest.approx(math.log(2 * count - 2) - 1 / temperature)


def test_a_local_view_weighs_as_much_as_a_global_one() -> None:
    """2 pairs of global views at 1 each, 2 · 3 of local views at 5 each."""
    found = mean_of_pairs(torch.tensor(1.0), torch.tensor(5.0), 3)
    assert found.item() == pytest.approx((2 * 1 + 2 * 3 * 5) / 8)


def test_their_side_is_half_that_of_the_others() -> None:
    assert resolve(CPU, 1000).local_size is None
    assert resolve(replace(CPU, local_views=2), 1000).local_size == 32
    assert resolve(replace(CPU, local_views=2, local_size=24), 1000).local_size == 24
    assert resolve(replace(CPU, image_size=8, local_views=2), 1000).local_size == 8
    told = summary(resolve(replace(CPU, local_views=4), 1000), 1000)
    assert told.startswith("1,000 images at 64 px and 4 × 32 px · ")


def test_runs_from_before_there_were_local_views_can_be_read() -> None:
    resolved = resolve(CPU, 1000)
    values = json.loads(resolved.to_json())
    del values["local_views"], values["local_size"], values["augmentation"]["local_scale"]
    assert ResolvedConfig.from_json(json.dumps(values)) == resolved


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"local_views": 2, "loss": "margin"}, "are for nt-xent and dcl, and the loss is margin"),
        ({"local_views": 2, "method": "instdisc"}, "local_views is 2, which instdisc has no use"),
        ({"local_size": 32}, "local_size is 32, and there are no local views"),
        ({"local_views": 2, "local_size": 65}, "local_size is 65. Choose a number from 8 to 64"),
        ({"local_views": 65}, "local_views is 65. Choose a number from 0 to 64"),
    ],
)
def test_what_cannot_be_is_refused(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainConfig(**setting)
