"""The augmentation of SimCLR on whole batches, on the device.

`apply` is a pure function of pixels and of the random parameters that `draws` has sampled. Images
come as the cache keeps them: row-planar (see `resample`) and squashed to a square.

On a processor, views that take the same operations are grouped, and each group is processed a few
views at a time, so that intermediate results stay in the processor's cache. On a GPU, many small
kernels and changing sizes cost time: there, every operation is applied to all views at once, with
neutral parameters where a view does not take it. Both ways make the same views, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from clr_search.train.data.colour import blend_, hue_, luma
from clr_search.train.data.draws import CONTRAST, HUE, SATURATION, Draws
from clr_search.train.data.resample import blur, kernel_size, resample
from clr_search.train.hardware import sent
from clr_search.train.settings.augmentation import Augmentation

_CHUNK = 32  # views processed at once on a processor


def apply(pixels: Tensor, draws: Draws, settings: Augmentation, size: int) -> Tensor:
    """Make views of images.

    Parameters
    ----------
    pixels : Tensor
        uint8 [N, R, 3, R], row-planar, on any device.
    draws : Draws
        Random parameters of M views. View i is of image i mod N, so that M = 2·N makes pairs.
    settings : Augmentation
        The settings that the parameters were drawn with.
    size : int
        S, side of the views in pixels.

    Returns
    -------
    Tensor
        float32 [M, 3, S, S] in [0, 1], on the device of `pixels`; its memory is row-planar.

    Examples
    --------
    >>> from clr_search.train.data.draws import draw
    >>> settings, pixels = Augmentation(), torch.full((2, 8, 3, 8), 255, dtype=torch.uint8)
    >>> draws = draw(torch.ones(2).repeat(2), settings, torch.Generator().manual_seed(0))
    >>> list(apply(pixels, draws, settings, size=4).shape)
    [4, 3, 4, 4]
    """
    if pixels.device.type == "cpu":
        views = _by_groups(pixels, draws, settings, size)
    else:
        views = _at_once(pixels, sent(_packed(draws), pixels.device), settings, size)
    return views.permute(0, 2, 1, 3)


def _by_groups(pixels: Tensor, draws: Draws, settings: Augmentation, size: int) -> Tensor:
    """The views, float32 [M, S, 3, S]: an operation is applied only to the views that take it."""
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
    original_order = torch.cat([group.members for group in groups]).argsort()
    return views.index_select(0, original_order)


def _jitter_(pixels: Tensor, draws: Draws, hue_at: int) -> None:
    """Jitter the colours of views, in place, whose hue is turned at the same step of four."""
    for step in range(4):
        if step == hue_at:
            hue_(pixels, draws.factors[:, HUE])
        else:
            operation = draws.order[:, step]
            factor = draws.factors.gather(1, operation[:, None])[:, 0]
            blend_(
                pixels, factor, (operation == SATURATION).float(), (operation == CONTRAST).float()
            )


class _Group(NamedTuple):
    """Views that take the same operations.

    Attributes
    ----------
    members : Tensor
        int64: numbers of the views.
    hue_at : int or None
        Step of the colour jitter, from 0 to 3, at which the hue is turned; None for no jitter.
    blurred : bool
        Whether the views are blurred.
    grey : int
        Number of views that lose their colour, which are the last ones.
    """

    members: Tensor
    hue_at: int | None
    blurred: bool
    grey: int


def _groups(draws: Draws) -> Iterator[_Group]:
    """Sort the views into groups of at most `_CHUNK` views."""
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
"""Widths of the columns that `_packed` joins."""


def _packed(draws: Draws) -> Tensor:
    """The parameters of M views as one tensor, float32 [M, 21], so that one copy sends them.

    The colour jitter of a view is three blends, and a turn of the hue before, between or after
    them. `_at_once` does three blends, the turn, and three blends again. A blend has its factor in
    the half it belongs to; in the other half, and for a view without jitter, it has factor 1.
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


def _at_once(pixels: Tensor, packed: Tensor, settings: Augmentation, size: int) -> Tensor:
    """The views, float32 [M, S, 3, S], by tensors whose shapes do not depend on the parameters.

    So a GPU does the same work at every step. Operations that `settings` never ask for are left
    out.
    """
    columns = torch.split(packed, _COLUMNS, dim=1)
    boxes, flip, before, after, grey, mean_grey, turn, turned, greyed, sigma = columns
    repeated = pixels.repeat(-(-len(packed) // len(pixels)), 1, 1, 1)[: len(packed)]
    x = resample(repeated, boxes, size, flip[:, 0] > 0)
    if settings.jitter:
        for step in range(3):
            blend_(x, before[:, step], grey[:, step], mean_grey[:, step])
        with_hue_turned = x.clone()
        hue_(with_hue_turned, turn[:, 0])
        x = torch.where(turned[:, :, None, None] > 0, with_hue_turned, x)
        for step in range(3):
            blend_(x, after[:, step], grey[:, step], mean_grey[:, step])
    if settings.grey:
        x = torch.where(greyed[:, :, None, None] > 0, luma(x), x)
    if settings.blur:
        x = blur(x, sigma[:, 0], kernel_size(size, settings.blur_kernel))
    return x
