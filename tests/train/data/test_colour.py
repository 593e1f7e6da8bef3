"""Colour operations against torchvision's, one picture at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from clr_search.train.data.colour import blend_, hue_, luma

FACTORS = (0.0, 0.2, 0.9, 1.0, 1.5, 1.8)


def pictures(count: int) -> Tensor:
    """Random [N, 3, 9, 9], with pixels of pure, equal and extreme channels among them."""
    generator = torch.Generator().manual_seed(3)
    found = torch.rand(count, 3, 9, 9, generator=generator)
    corners = torch.tensor([[r, g, b] for r in (0.0, 1) for g in (0.0, 1) for b in (0.0, 1)])
    found[:, :, 0, :8] = corners.T
    found[:, :, 1, :4] = torch.tensor([0.0, 0.3, 0.7, 1.0])  # greys
    found[:, 1:, 2, :] = found[:, 1:2, 2, :]  # green equals blue
    return found


@pytest.mark.parametrize(
    ("shares", "operation"),
    [
        ((0.0, 0.0), reference.adjust_brightness),
        ((0.0, 1.0), reference.adjust_contrast),
        ((1.0, 0.0), reference.adjust_saturation),
    ],
)
def test_blend_equals_torchvision(
    shares: tuple[float, float], operation: Callable[[Tensor, float], Tensor]
) -> None:
    given = pictures(len(FACTORS))
    found = given.permute(0, 2, 1, 3).contiguous()
    grey, mean = (torch.full((len(FACTORS),), share) for share in shares)
    blend_(found, torch.tensor(FACTORS), grey, mean)
    expected = torch.stack([operation(x, f) for x, f in zip(given, FACTORS, strict=True)])
    torch.testing.assert_close(found.permute(0, 2, 1, 3), expected)


def test_hue_equals_torchvision() -> None:
    turns = (-0.5, -0.2, -0.01, 0.0, 0.1, 0.2, 0.5)
    given = pictures(len(turns))
    found = given.permute(0, 2, 1, 3).contiguous()
    hue_(found, torch.tensor(turns))
    expected = torch.stack([reference.adjust_hue(x, t) for x, t in zip(given, turns, strict=True)])
    torch.testing.assert_close(found.permute(0, 2, 1, 3), expected, atol=1e-5, rtol=1e-4)


def test_turning_there_and_back_changes_nothing() -> None:
    given = pictures(4).permute(0, 2, 1, 3).contiguous()
    found = given.clone()
    hue_(found, torch.full((4,), 0.3))
    hue_(found, torch.full((4,), -0.3))
    torch.testing.assert_close(found, given, atol=1e-5, rtol=1e-4)


def test_luma_equals_torchvision() -> None:
    given = pictures(2)
    expected = reference.rgb_to_grayscale(given)
    found = luma(given.permute(0, 2, 1, 3).contiguous()).permute(0, 2, 1, 3)
    torch.testing.assert_close(found, expected)
