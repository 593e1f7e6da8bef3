"""The batched augmentation against one picture at a time, and the dice against their odds."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms.v2 import functional as reference

from clr_search.train.data import augment
from clr_search.train.data.augment import apply
from clr_search.train.data.draws import HUE, Draws, central_squares, draw
from clr_search.train.data.resample import kernel_size
from clr_search.train.settings.augmentation import Augmentation
from tests.train.data.test_resample import pillow_crop

OPERATIONS = (
    reference.adjust_brightness,
    reference.adjust_contrast,
    reference.adjust_saturation,
    reference.adjust_hue,
)


def slow_view(picture: Tensor, draws: Draws, number: int, size: int, kernel: int) -> Tensor:
    """One view by Pillow and torchvision: uint8 [3, R, R] → [3, S, S]."""
    left, top, width, height = draws.boxes[number].tolist()
    x = pillow_crop(picture, (left, top, width, height), size)
    if draws.flip[number]:
        x = x.flip(-1)
    if draws.jitter[number]:
        for operation in draws.order[number].tolist():
            x = OPERATIONS[operation](x.clamp(0, 1), draws.factors[number, operation].item())
    if draws.grey[number]:
        x = reference.rgb_to_grayscale(x, num_output_channels=3)
    if draws.sigma[number] > 0:
        sigma = draws.sigma[number].item()
        x = reference.gaussian_blur(x, [kernel, kernel], [sigma, sigma])
    return x


def smooth_pictures(count: int, side: int) -> Tensor:
    """uint8 [N, 3, R, R]: noise with detail of several scales."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    fine = torch.rand(count, 3, side, side, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return (0.7 * smooth + 0.3 * fine).clamp(0, 1).mul(255).byte()


@pytest.mark.parametrize("chunk", [3, 32])
def test_equals_one_picture_at_a_time(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "_CHUNK", chunk)
    count, size, settings = 40, 20, Augmentation()
    pictures = smooth_pictures(count, 28)
    aspects = torch.linspace(0.4, 2.5, count).repeat(2)
    draws = draw(aspects, settings, torch.Generator().manual_seed(5))
    views = apply(pictures.permute(0, 2, 1, 3).contiguous(), draws, settings, size)
    assert views.shape == (2 * count, 3, size, size)
    kernel = kernel_size(size, settings.blur_kernel)
    for number, view in enumerate(views):
        expected = slow_view(pictures[number % count], draws, number, size, kernel)
        torch.testing.assert_close(view, expected, atol=2e-3, rtol=0)


SETTINGS = [
    Augmentation(),
    Augmentation(strength=2.5, blur_sigma=(0.001, 0.01)),
    Augmentation(strength=0.5, blur=0.0),
    Augmentation(jitter=0.0),
    Augmentation(jitter=1.0, grey=1.0, blur=1.0),
    Augmentation(grey=0.0, flip=0.0),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("views", [1, 2, 5])
def test_all_at_once_makes_the_views_of_groups(settings: Augmentation, views: int) -> None:
    """What is done off the processor, done on it."""
    count, size = 48, 20
    pixels = smooth_pictures(count, 28).permute(0, 2, 1, 3).contiguous()
    aspects = torch.linspace(0.4, 2.5, count).repeat(views)
    draws = draw(aspects, settings, torch.Generator().manual_seed(views))
    expected = apply(pixels, draws, settings, size).permute(0, 2, 1, 3)
    found = augment._at_once(pixels, augment._packed(draws), settings, size)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


class Launches(TorchDispatchMode):
    """Notes what would be a kernel on a device: each operation but views, with its shape."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, torch.Size]] = []

    def __torch_dispatch__(  # type: ignore[no-untyped-def]
        self, operation, types, args=(), kwargs=None
    ):
        made = operation(*args, **(kwargs or {}))
        there = isinstance(made, Tensor) and made.device.type == "meta"
        if there and not operation.is_view:
            self.seen.append((str(operation), made.shape))
        return made


def launches(settings: Augmentation, seed: int) -> list[tuple[str, torch.Size]]:
    """Those of two views of 64 pictures."""
    pixels = torch.empty(64, 32, 3, 32, dtype=torch.uint8, device="meta")
    draws = draw(torch.ones(128), settings, torch.Generator().manual_seed(seed))
    with Launches() as noted:
        views = apply(pixels, draws, settings, 32)
    assert views.shape == (128, 3, 32, 32)
    return noted.seen


@pytest.mark.parametrize("settings", SETTINGS)
def test_off_the_processor_every_step_is_the_same_few_kernels(settings: Augmentation) -> None:
    """So that a GPU is not kept waiting, and could replay them."""
    seen = launches(settings, 0)
    assert launches(settings, 1) == seen
    assert 30 < len(seen) < 240


def test_all_at_once_is_one_graph() -> None:
    """No operation depends on values: torch.compile would refuse the graph otherwise."""
    settings = Augmentation()
    pixels = torch.randint(0, 256, (4, 12, 3, 12), dtype=torch.uint8)
    draws = draw(torch.ones(8), settings, torch.Generator().manual_seed(0))
    dice = augment._packed(draws)
    captured = torch.compile(augment._at_once, backend="eager", fullgraph=True)
    found = captured(pixels, dice, settings, 10)
    torch.testing.assert_close(found, augment._at_once(pixels, dice, settings, 10))


def test_same_dice_same_views() -> None:
    pixels = torch.randint(0, 256, (6, 16, 3, 16), dtype=torch.uint8)
    settings = Augmentation()
    views = [
        apply(pixels, draw(torch.ones(12), settings, torch.Generator().manual_seed(s)), settings, 8)
        for s in (1, 1, 2)
    ]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])


def test_nothing_asked_nothing_done() -> None:
    settings = Augmentation(crop_scale=(1, 1), crop_ratio=(1, 1), flip=0, jitter=0, grey=0, blur=0)
    pixels = torch.randint(0, 256, (5, 12, 3, 12), dtype=torch.uint8)
    draws = draw(torch.ones(5), settings, torch.Generator().manual_seed(0))
    views = apply(pixels, draws, settings, 12)
    torch.testing.assert_close(views, pixels.permute(0, 2, 1, 3) / 255)


def test_views_stay_within_range() -> None:
    pixels = torch.randint(0, 256, (64, 12, 3, 12), dtype=torch.uint8)
    settings = Augmentation(strength=2.5)
    draws = draw(torch.ones(64), settings, torch.Generator().manual_seed(0))
    views = apply(pixels, draws, settings, 12)
    assert views.min() >= -1e-6
    assert views.max() <= 1 + 1e-6


aspect = st.floats(0.0625, 16, width=32)


@settings(max_examples=50, deadline=None)
@given(aspect=aspect, seed=st.integers(0, 2**32), low=st.floats(0.01, 1), span=st.floats(0, 1))
def test_boxes_lie_within_the_picture(aspect: float, seed: int, low: float, span: float) -> None:
    settings = Augmentation(crop_scale=(low, low + span * (1 - low)))
    draws = draw(torch.full((64,), aspect), settings, torch.Generator().manual_seed(seed))
    left, top, width, height = draws.boxes.T
    assert (draws.boxes >= 0).all()
    assert (width > 0).all()
    assert (height > 0).all()
    assert (left + width <= 1 + 1e-5).all()
    assert (top + height <= 1 + 1e-5).all()
    ratio = aspect * width / height  # in the picture's own pixels
    assert ratio.min() >= 3 / 4 - 1e-3
    assert ratio.max() <= 4 / 3 + 1e-3


def test_odds_are_those_asked_for() -> None:
    count, settings = 40_000, Augmentation()
    draws = draw(torch.ones(count), settings, torch.Generator().manual_seed(0))
    for happened, odds in (
        (draws.flip, 0.5),
        (draws.jitter, 0.8),
        (draws.grey, 0.2),
        (draws.sigma > 0, 0.5),
    ):
        assert happened.float().mean().item() == pytest.approx(odds, abs=0.012)
    factors = draws.factors
    assert factors[:, :HUE].aminmax() == (
        pytest.approx(0.2, abs=1e-3),
        pytest.approx(1.8, abs=1e-3),
    )
    assert factors[:, HUE].abs().max().item() == pytest.approx(0.2, abs=1e-3)
    sigma = draws.sigma[draws.sigma > 0]
    assert sigma.min().item() == pytest.approx(0.1, abs=1e-3)
    assert sigma.max().item() == pytest.approx(2.0, abs=1e-3)
    # All 24 orders, evenly.
    codes = (draws.order * torch.tensor([64, 16, 4, 1])).sum(1)
    counts = torch.tensor([int((codes == code).sum()) for code in set(codes.tolist())])
    assert len(counts) == 24
    assert (counts - count / 24).abs().max() < 6 * math.sqrt(count / 24)


def test_areas_are_uniform_on_square_pictures() -> None:
    settings = Augmentation(crop_scale=(0.2, 0.6))
    draws = draw(torch.ones(20_000), settings, torch.Generator().manual_seed(0))
    area = draws.boxes[:, 2] * draws.boxes[:, 3]
    assert area.min() >= 0.2 - 1e-4
    assert area.max() <= 0.6 + 1e-4
    assert area.mean().item() == pytest.approx(0.4, abs=0.005)


def test_panorama_falls_back_to_the_largest_allowed_crop() -> None:
    settings = Augmentation(crop_scale=(1, 1))
    draws = draw(torch.tensor([4.0]), settings, torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.boxes, torch.tensor([[1 / 3, 0, 1 / 3, 1]]))


def test_central_squares() -> None:
    boxes = central_squares(torch.tensor([1.0, 2.0, 0.5]))
    expected = torch.tensor([[0, 0, 1, 1], [0.25, 0, 0.5, 1], [0, 0.25, 1, 0.5]])
    torch.testing.assert_close(boxes, expected)
