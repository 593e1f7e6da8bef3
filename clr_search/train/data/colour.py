"""Colour jitter: the four operations of torchvision, with a factor for each image of a batch.

All operations work on row-planar float32 images [N, S, 3, S] in [0, 1], and in place, because a new
tensor for every operation would cost more than the arithmetic.

Brightness, contrast and saturation each blend an image with another one: with black, with the mean
of its grey, or with its own grey version. So they are one operation, `blend_`, in which each image
has its own other image.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, as in torchvision


def blend_(pixels: Tensor, factor: Tensor, grey: Tensor, mean_grey: Tensor) -> None:
    """Blend each image with black, its grey version or its mean grey.

    The result is clamp(f·x + (1 − f)·other, 0, 1).

    Parameters
    ----------
    pixels : Tensor
        float32 [N, S, 3, S]; changed in place.
    factor : Tensor
        float32 [N]: f ≥ 0; 1 changes nothing.
    grey, mean_grey : Tensor
        float32 [N]: shares of the two in the other image. (0, 0) changes brightness, (0, 1)
        contrast, (1, 0) saturation.

    Examples
    --------
    >>> pixels = torch.full((1, 2, 3, 2), 0.5)
    >>> blend_(pixels, torch.tensor([1.5]), torch.zeros(1), torch.zeros(1))  # 1.5 times as bright
    >>> pixels.max().item()
    0.75
    """
    other = luma(pixels)
    mean = other.mean(dim=(1, 3))[:, 0]
    other.mul_(_spread((1 - factor) * grey)).add_(_spread((1 - factor) * mean_grey * mean))
    pixels.mul_(_spread(factor)).add_(other).clamp_(0, 1)


def hue_(pixels: Tensor, turn: Tensor) -> None:
    """Turn the hue of each image; value and chroma stay the same, as when converting to HSV.

    With channels scaled to [0, 1] between the least and the greatest, the hue H in sixths of the
    circle is q = 1 + green + blue − red where green ≥ blue, and 6 − q elsewhere; and each channel
    is a trapezoid function of H. The arithmetic has no branches, which are slow on a processor.

    Parameters
    ----------
    pixels : Tensor
        float32 [N, S, 3, S]; changed in place.
    turn : Tensor
        float32 [N]: the part of the circle to turn by, in [−½, ½].
    """
    red, green, blue = pixels[:, :, 0], pixels[:, :, 1], pixels[:, :, 2]  # [N, S, S] each
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(least)
    hue = (green + blue).sub_(red).sub_(least)
    hue.div_(chroma.clamp(min=1e-7)).neg_().add_(2)  # 3 − q; grey has no hue, and stays grey
    hue.copysign_(green - blue).neg_().add_((3 + 6 * turn)[:, None, None])
    hue.sub_((hue / 6).floor_(), alpha=6)
    for channel, value in (
        (red, (hue - 3).abs_().sub_(1)),
        (green, (hue - 2).abs_().neg_().add_(2)),
        (blue, (hue - 4).abs_().neg_().add_(2)),
    ):
        channel.copy_(value.clamp_(0, 1).mul_(chroma).add_(least))


def luma(pixels: Tensor) -> Tensor:
    """The luma of each pixel (ITU-R 601), float32 [N, S, 1, S], of images [N, S, 3, S]."""
    red, green, blue = _LUMA
    grey = pixels[:, :, 0:1] * red
    return grey.add_(pixels[:, :, 1:2], alpha=green).add_(pixels[:, :, 2:3], alpha=blue)


def _spread(values: Tensor) -> Tensor:
    """Reshape a number for each image, [N], to [N, 1, 1, 1], for products with images."""
    return values[:, None, None, None]
