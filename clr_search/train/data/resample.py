"""Separable linear filters as batched matrix products: crop and resize, Gaussian blur.

Pictures are row-planar, [N, H, 3, W] (row, channel, column): in this layout the vertical pass is
the product [H', H] @ [H, 3·W] and the horizontal one [H'·3, W] @ [W, W'], each one batched matrix
product on memory as it lies.
"""

from __future__ import annotations

import torch
from torch import Tensor


def resample(pixels: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None) -> Tensor:
    """Cut a box out of each picture and resize it to a square, bilinear with antialiasing.

    Equal to `PIL.Image.resize(…, BILINEAR, box=…)` without its rounding to 8 bits between the
    passes; box edges need not fall on pixels.

    Parameters
    ----------
    pixels : Tensor
        uint8 [N, R, 3, R], row-planar.
    boxes : Tensor
        float32 [N, 4]: left, top, width, height as fractions of the picture.
    size : int
        S in pixels.
    flip : Tensor, optional
        bool [N]: mirror these left to right.

    Returns
    -------
    Tensor
        float32 [N, S, 3, S] in [0, 1], row-planar.
    """
    count, side = pixels.shape[:2]
    vertical = weights(boxes[:, 1], boxes[:, 3], side, size)
    horizontal = weights(boxes[:, 0], boxes[:, 2], side, size, flip).div_(255)
    rows = torch.bmm(vertical, pixels.view(count, side, 3 * side).float())
    columns = torch.bmm(rows.view(count, size * 3, side), horizontal.mT)
    return columns.view(count, size, 3, size)


def weights(
    start: Tensor, length: Tensor, side: int, size: int, flip: Tensor | None = None
) -> Tensor:
    """Weights of a triangle filter that takes `side` samples to `size`, float32 [N, size, side].

    Sample j lies at j + ½. Output i looks at the centre of its share of the stretch
    [start, start + length], both [N] and fractions of `side`, with a triangle as wide as the
    output's spacing, and never narrower than the input's. Every row sums to 1.
    """
    step = length * (side / size)
    steps = torch.arange(size, device=start.device) + 0.5
    places = steps.expand(len(start), size)
    if flip is not None:
        places = torch.where(flip[:, None], size - places, places)
    centres = torch.addcmul((start * side)[:, None], places, step[:, None])  # [N, size]
    samples = torch.arange(side, device=start.device) + 0.5
    distance = (samples - centres.unsqueeze(2)).abs_()  # [N, size, side]
    triangle = distance.mul_(-1 / step.clamp(min=1)[:, None, None]).add_(1).relu_()
    return triangle.div_(triangle.sum(dim=2, keepdim=True))


def blur(pixels: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Blur each picture with a Gaussian of its own, mirrored at the borders.

    Parameters
    ----------
    pixels : Tensor
        float32 [N, S, 3, S], row-planar.
    sigma : Tensor
        float32 [N]: standard deviations in pixels; 0 leaves a picture as it is.
    kernel : int
        Odd length of the kernel; at most 2·S − 1.

    Returns
    -------
    Tensor
        Of the same shape.
    """
    count, size = pixels.shape[:2]
    offsets = torch.arange(kernel, device=sigma.device) - kernel // 2
    # From 0.06 down, all taps but the middle one are 0 in float32 anyway.
    taps = torch.exp(-0.5 * (offsets / sigma[:, None].clamp(min=0.01)) ** 2)
    taps = taps / taps.sum(dim=1, keepdim=True)
    matrix = (taps @ _mirrored(size, kernel, pixels.device)).view(count, size, size)
    rows = torch.bmm(matrix, pixels.reshape(count, size, 3 * size))
    return torch.bmm(rows.view(count, size * 3, size), matrix.mT).view(pixels.shape)


def kernel_size(size: int, share: float) -> int:
    """Length of a blur kernel: the odd number about `share` of the side, as in the paper's code."""
    return 2 * (int(share * size) // 2) + 1


def _mirrored(size: int, kernel: int, device: torch.device) -> Tensor:
    """Float32 [kernel, size·size]: for each tap, the matrix that picks the pixel it looks at."""
    shift = torch.arange(kernel, device=device)[:, None] - kernel // 2
    looked_at = (torch.arange(size, device=device) + shift).abs()
    looked_at = torch.where(looked_at >= size, 2 * (size - 1) - looked_at, looked_at)
    picks = torch.nn.functional.one_hot(looked_at, size)  # [kernel, size, size]
    return picks.to(torch.float32).view(kernel, size * size)
