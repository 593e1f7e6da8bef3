"""The random parameters of the views of a batch, sampled on the processor for every device.

All randomness of the augmentation is here; `augment.apply` is a pure function of pixels and of
these parameters. Crop boxes are fractions of the image, so the true aspect ratio matters only here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from clr_search.train.settings.augmentation import Augmentation

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
"""Numbers of the four operations of colour jitter in `Draws.order`."""

_TRIES = 10
"""Boxes drawn for each view, of which the first inside the image is taken, as in torchvision."""


@dataclass(frozen=True, slots=True)
class Draws:
    """The random parameters of N views.

    Attributes
    ----------
    boxes : Tensor
        float32 [N, 4]: left, top, width, height of the crop as fractions of the picture.
    flip, jitter, grey : Tensor
        bool [N]: whether a view is mirrored, has its colours jittered, loses its colour.
    order : Tensor
        int64 [N, 4]: a permutation of the operations of colour jitter.
    factors : Tensor
        float32 [N, 4]: factors of brightness, contrast and saturation; and by which part of the
        circle the hue is turned.
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
        """The parameters of some views, by their numbers, int64 [M]."""
        return Draws(**{f.name: getattr(self, f.name)[members] for f in fields(self)})


def draw(aspects: Tensor, settings: Augmentation, generator: torch.Generator) -> Draws:
    """Sample the random parameters of one view of each image.

    Parameters
    ----------
    aspects : Tensor
        float32 [N], on the processor: width / height of the images.
    settings : Augmentation
        Probabilities and strengths.
    generator : torch.Generator
        Source of the random numbers, on the processor.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> draws = draw(torch.ones(3), Augmentation(flip=1.0, blur=0.0), generator)
    >>> draws.flip.tolist(), draws.sigma.tolist(), list(draws.boxes.shape)
    ([True, True, True], [0.0, 0.0, 0.0], [3, 4])
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
    """Crop boxes, float32 [N, 4], drawn as in torchvision's RandomResizedCrop, without rounding.

    Lengths are in units of the image's height: the image is `aspect` wide and 1 high.
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
    # Where none of the boxes fits: the largest central box of an allowed ratio.
    clipped = aspects.clamp(narrowest, widest)
    any_fits = fits.any(dim=1)
    width = width.gather(1, first)[:, 0].where(any_fits, torch.minimum(aspects, clipped))
    height = height.gather(1, first)[:, 0].where(any_fits, (aspects / clipped).clamp(max=1))
    position = torch.rand(count, 2, generator=generator).where(any_fits[:, None], 0.5)
    left, top = position[:, 0] * (aspects - width), position[:, 1] * (1 - height)
    return torch.stack([left / aspects, top, width / aspects, height], dim=1)


def central_squares(aspects: Tensor) -> Tensor:
    """The box of the largest central square of each image, which the exported encoder takes.

    Parameters
    ----------
    aspects : Tensor
        float32 [N]: width / height of the images.

    Returns
    -------
    Tensor
        float32 [N, 4]: left, top, width, height as fractions of the image.

    Examples
    --------
    >>> central_squares(torch.tensor([2.0])).tolist()
    [[0.25, 0.0, 0.5, 1.0]]
    """
    width, height = (1 / aspects).clamp(max=1), aspects.clamp(max=1)
    return torch.stack([(1 - width) / 2, (1 - height) / 2, width, height], dim=1)
