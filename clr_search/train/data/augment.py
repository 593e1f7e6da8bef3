"""The augmentation of SimCLR on whole batches, on the device.

Chance and arithmetic are apart: `draw` rolls all dice of a batch on the processor, `apply` is a
pure function of pixels and dice. Pictures come as the cache keeps them: row-planar (see
`resample`) and squashed to a square. Boxes are fractions of that square, so that the true aspect
ratio enters only where they are drawn.

On a processor, views to which the same is done are worked on together, a few at a time, so that
what lies between two operations stays in its cache. A GPU is kept waiting by many small kernels,
and by sizes that change: there, everything is done to all views at once, and what a view was not to
have changes nothing. Both make the same views, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from clr_search.train.data.colour import blend_, hue_, luma
from clr_search.train.data.resample import blur, kernel_size, resample
from clr_search.train.hardware import sent
from clr_search.train.settings.augmentation import Augmentation

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
"""The four operations of colour jitter, as `Draws.order` numbers them."""

_TRIES = 10  # crops that stick out are drawn again, as often as torchvision does
_CHUNK = 32  # views worked on at once on a processor


@dataclass(frozen=True, slots=True)
class Draws:
    """All that chance decides for N views.

    Attributes
    ----------
    boxes : Tensor
        float32 [N, 4]: left, top, width, height of the crop as fractions of the picture.
    flip, jitter, grey : Tensor
        bool [N]: whether each happens.
    order : Tensor
        int64 [N, 4]: a permutation of the operations of colour jitter.
    factors : Tensor
        float32 [N, 4]: factors of brightness, contrast and saturation; turn of the hue in circles.
    sigma : Tensor
        float32 [N]: standard deviation of the blur in pixels, 0 for none.
    """

    boxes: Tensor
    flip: Tensor
    jitter: Tensor
    order: Tensor
    factors: Tensor
    grey: Tensor
    sigma: Tensor

    def of(self, members: Tensor) -> Draws:
        """Those of some views, int64 [M]."""
        return Draws(**{f.name: getattr(self, f.name)[members] for f in fields(self)})


def draw(aspects: Tensor, settings: Augmentation, generator: torch.Generator) -> Draws:
    """Roll the dice for one view of each picture.

    Parameters
    ----------
    aspects : Tensor
        float32 [N]: width / height of the pictures; on the processor.
    settings : Augmentation
        Probabilities and strengths.
    generator : torch.Generator
        On the processor.
    """
    count = len(aspects)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    def happens(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    boxes = _draw_boxes(aspects, settings, generator)
    spread = 0.8 * settings.strength
    order = torch.rand(count, 4, generator=generator).argsort(dim=1)
    factors = uniform(max(0.0, 1 - spread), 1 + spread, 4)
    factors[:, 3] = uniform(-0.2 * settings.strength, 0.2 * settings.strength)
    return Draws(
        boxes=boxes,
        flip=happens(settings.flip),
        jitter=happens(settings.jitter),
        order=order,
        factors=factors,
        grey=happens(settings.grey),
        sigma=uniform(*settings.blur_sigma) * happens(settings.blur),
    )


def _draw_boxes(aspects: Tensor, settings: Augmentation, generator: torch.Generator) -> Tensor:
    """Crops as torchvision's RandomResizedCrop draws them, without rounding to pixels.

    Lengths are in units of the picture's height: it is `aspect` wide and 1 high.
    """
    count = len(aspects)
    wide = aspects[:, None]
    low, high = settings.crop_scale
    area = wide * (torch.rand(count, _TRIES, generator=generator) * (high - low) + low)
    narrowest, widest = settings.crop_ratio
    log_low, log_high = torch.tensor([narrowest, widest]).log()
    ratio = torch.rand(count, _TRIES, generator=generator) * (log_high - log_low) + log_low
    ratio = ratio.exp()
    width, height = (area * ratio).sqrt(), (area / ratio).sqrt()
    fits = (width <= wide) & (height <= 1)
    first = fits.int().argmax(dim=1, keepdim=True)
    # Where none fits: the largest central crop of an allowed ratio.
    clipped = aspects.clamp(narrowest, widest)
    any_fits = fits.any(dim=1)
    width = width.gather(1, first)[:, 0].where(any_fits, torch.minimum(aspects, clipped))
    height = height.gather(1, first)[:, 0].where(any_fits, (aspects / clipped).clamp(max=1))
    place = torch.rand(count, 2, generator=generator).where(any_fits[:, None], 0.5)
    left, top = place[:, 0] * (aspects - width), place[:, 1] * (1 - height)
    return torch.stack([left / aspects, top, width / aspects, height], dim=1)


def central_squares(aspects: Tensor) -> Tensor:
    """Boxes, float32 [N, 4], of the largest central square of each picture, as at inference."""
    width, height = (1 / aspects).clamp(max=1), aspects.clamp(max=1)
    return torch.stack([(1 - width) / 2, (1 - height) / 2, width, height], dim=1)


def apply(pixels: Tensor, draws: Draws, settings: Augmentation, size: int) -> Tensor:
    """Make one view of each picture.

    Parameters
    ----------
    pixels : Tensor
        uint8 [N, R, 3, R], row-planar, on any device.
    draws : Draws
        The dice, for M views; view i is of picture i mod N, so that M = 2·N makes pairs.
    settings : Augmentation
        Those that the dice were rolled by.
    size : int
        S, side of the views.

    Returns
    -------
    Tensor
        float32 [M, 3, S, S] in [0, 1], on the device of `pixels`; a view of row-planar memory.
    """
    if pixels.device.type == "cpu":
        views = _by_groups(pixels, draws, settings, size)
    else:
        views = _at_once(pixels, sent(_packed(draws), pixels.device), settings, size)
    return views.permute(0, 2, 1, 3)


def _by_groups(pixels: Tensor, draws: Draws, settings: Augmentation, size: int) -> Tensor:
    """As `apply`, row-planar: nothing is done to a view that it is not to have."""
    kernel = kernel_size(size, settings.blur_kernel)
    views = torch.empty(len(draws.flip), size, 3, size)
    groups, start = list(_groups(draws)), 0
    for group in groups:
        part = draws.of(group.members)
        chosen = pixels.index_select(0, group.members % len(pixels))
        x = resample(chosen, part.boxes, size, part.flip)
        if group.hue_at is not None:
            _jitter_(x, part, group.hue_at)
        if group.grey:
            x[-group.grey :] = luma(x[-group.grey :])
        if group.blurred:
            x = blur(x, part.sigma, kernel)
        views[start : start + len(x)] = x
        start += len(x)
    places = torch.cat([group.members for group in groups]).argsort()
    return views.index_select(0, places)


def _jitter_(pixels: Tensor, draws: Draws, hue_at: int) -> None:
    """Jitter the colours of pictures that all have their hue turned at the same place in order."""
    for place in range(4):
        if place == hue_at:
            hue_(pixels, draws.factors[:, HUE])
        else:
            operation = draws.order[:, place]
            factor = draws.factors.gather(1, operation[:, None])[:, 0]
            blend_(
                pixels, factor, (operation == SATURATION).float(), (operation == CONTRAST).float()
            )


class _Group(NamedTuple):
    """Views to which the same is done: int64 numbers, of which the last `grey` lose their colour.

    `hue_at` is the place of the hue in the order of colour operations; None for no jitter.
    """

    members: Tensor
    hue_at: int | None
    blurred: bool
    grey: int


def _groups(draws: Draws) -> Iterator[_Group]:
    """Sort the views into groups of at most `_CHUNK`."""
    hue_at = (draws.order == HUE).int().argmax(dim=1)
    kind = torch.where(draws.jitter, hue_at, 4) * 2 + (draws.sigma > 0)
    for number in range(10):
        same = (kind == number).nonzero()[:, 0]
        same = same[draws.grey[same].int().argsort(stable=True)]
        for start in range(0, len(same), _CHUNK):
            members = same[start : start + _CHUNK]
            jittered = None if number // 2 == 4 else number // 2
            yield _Group(members, jittered, bool(number % 2), int(draws.grey[members].sum()))


_COLUMNS = [4, 1, 3, 3, 3, 3, 1, 1, 1, 1]
"""Widths of what `_packed` puts side by side."""


def _packed(draws: Draws) -> Tensor:
    """The dice as `_at_once` takes them, float32 [M, 21]: one tensor, so that one is sent.

    A view has three blends, and its hue is turned before, between or after them. Its blends stand
    in two rows of three, those before the hue and those after it. Where one stands in the other
    row, or the view has no jitter, its factor is 1.
    """
    hue = draws.order == HUE
    blends = draws.order[~hue].view(-1, 3)
    factors = draws.factors.gather(1, blends)
    first = torch.arange(3) < hue.int().argmax(dim=1, keepdim=True)  # [M, 3]
    happens = draws.jitter[:, None]
    columns = (
        draws.boxes,
        draws.flip[:, None],
        factors.where(happens & first, 1),
        factors.where(happens & ~first, 1),
        blends == SATURATION,
        blends == CONTRAST,
        draws.factors[:, HUE:],
        happens,
        draws.grey[:, None],
        draws.sigma[:, None],
    )
    return torch.cat([column.float() for column in columns], dim=1)


def _at_once(pixels: Tensor, dice: Tensor, settings: Augmentation, size: int) -> Tensor:
    """As `_by_groups`, in tensors whose shapes no dice decide: a step is as every other.

    What `settings` never do is left out.
    """
    columns = torch.split(dice, _COLUMNS, dim=1)
    boxes, flip, before, after, grey, mean_grey, turn, turned, greyed, sigma = columns
    repeated = pixels.repeat(-(-len(dice) // len(pixels)), 1, 1, 1)[: len(dice)]
    x = resample(repeated, boxes, size, flip[:, 0] > 0)
    if settings.jitter:
        for place in range(3):
            blend_(x, before[:, place], grey[:, place], mean_grey[:, place])
        other = x.clone()
        hue_(other, turn[:, 0])
        x = torch.where(turned[:, :, None, None] > 0, other, x)
        for place in range(3):
            blend_(x, after[:, place], grey[:, place], mean_grey[:, place])
    if settings.grey:
        x = torch.where(greyed[:, :, None, None] > 0, luma(x), x)
    if settings.blur:
        x = blur(x, sigma[:, 0], kernel_size(size, settings.blur_kernel))
    return x
