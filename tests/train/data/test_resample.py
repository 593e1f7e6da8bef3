"""Crop, resize and blur against Pillow and torchvision, one picture at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from clr_search.train.data.resample import blur, kernel_size, resample, weights


def planar(picture: Tensor) -> Tensor:
    """[N, 3, H, W] → row-planar [N, H, 3, W]."""
    return picture.permute(0, 2, 1, 3).contiguous()


def pillow_crop(picture: Tensor, box: tuple[float, float, float, float], size: int) -> Tensor:
    """Crop and resize uint8 [3, R, R] by Pillow, which takes fractional boxes, in float."""
    side = picture.shape[1]
    left, top, width, height = (side * edge for edge in box)
    # Floating-point noise must not push the box past the border, which Pillow refuses.
    corners = (left, top, min(left + width, side), min(top + height, side))
    channels = [
        np.asarray(
            Image.fromarray(plane.numpy().astype(np.float32)).resize(
                (size, size), Image.Resampling.BILINEAR, box=corners
            )
        )
        for plane in picture
    ]
    return torch.from_numpy(np.stack(channels)) / 255


unit = st.floats(0, 1, allow_nan=False, width=32)


@settings(max_examples=60, deadline=None)
@given(
    places=st.tuples(unit, unit, unit, unit),
    side=st.integers(8, 40),
    size=st.integers(4, 24),
    seed=st.integers(0, 1000),
)
def test_equals_pillow(
    places: tuple[float, float, float, float], side: int, size: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    picture = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, generator=generator)
    width, height = 0.1 + 0.9 * places[2], 0.1 + 0.9 * places[3]
    box = (places[0] * (1 - width), places[1] * (1 - height), width, height)
    found = resample(planar(picture), torch.tensor([box]), size)
    expected = pillow_crop(picture[0], box, size)
    torch.testing.assert_close(found[0].permute(1, 0, 2), expected, atol=2e-4, rtol=0)


def test_equals_torchvision_on_whole_pixels() -> None:
    torch.manual_seed(0)
    picture = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    found = resample(planar(picture), torch.tensor([[4, 6, 20, 12]]) / 32, 16)
    expected = reference.resized_crop(picture / 255, 6, 4, 12, 20, [16, 16], antialias=True)
    # torchvision cuts the crop out first; Pillow and this look past its edge at what is there.
    inside = (slice(None), slice(None), slice(2, 14), slice(2, 14))
    torch.testing.assert_close(found.permute(0, 2, 1, 3)[inside], expected[inside])


def test_whole_picture_at_its_size_is_unchanged() -> None:
    picture = torch.randint(0, 256, (2, 8, 3, 8), dtype=torch.uint8)
    whole = torch.tensor([[0.0, 0, 1, 1]]).expand(2, 4)
    torch.testing.assert_close(resample(picture, whole, 8), picture / 255)


def test_flip_mirrors_only_the_chosen() -> None:
    picture = torch.randint(0, 256, (2, 12, 3, 12), dtype=torch.uint8)
    boxes = torch.tensor([[0.1, 0.2, 0.6, 0.7], [0.1, 0.2, 0.6, 0.7]])
    plain = resample(picture, boxes, 8)
    flipped = resample(picture, boxes, 8, torch.tensor([True, False]))
    torch.testing.assert_close(flipped[0], plain[0].flip(-1))
    torch.testing.assert_close(flipped[1], plain[1])


def test_weights_sum_to_one_and_are_not_negative() -> None:
    start = torch.rand(50) * 0.5
    found = weights(start, 0.02 + torch.rand(50) * 0.48, side=30, size=13)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(2), torch.ones(50, 13))


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_blur_equals_torchvision(sigma: float, kernel: int) -> None:
    picture = torch.rand(2, 3, 10, 10)
    found = blur(planar(picture), torch.tensor([sigma, 1.3]), kernel)
    for number, each in enumerate((sigma, 1.3)):
        expected = reference.gaussian_blur(picture[number], [kernel, kernel], [each, each])
        torch.testing.assert_close(found[number].permute(1, 0, 2), expected)


def test_no_blur_changes_no_bit() -> None:
    picture = torch.rand(3, 10, 3, 10)
    found = blur(picture, torch.tensor([0.0, 1e-3, 1.0]), 5)
    assert torch.equal(found[:2], picture[:2])
    assert not torch.equal(found[2], picture[2])


@pytest.mark.parametrize(("size", "length"), [(32, 3), (64, 7), (224, 23), (8, 1)])
def test_kernel_is_odd_and_a_tenth(size: int, length: int) -> None:
    assert kernel_size(size, 0.1) == length
