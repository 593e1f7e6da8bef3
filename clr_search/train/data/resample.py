"""Separable linear filters as batched matrix products: crop and resize, Gaussian blur.

Images are row-planar, [N, H, 3, W] (row, channel, column). In this layout the vertical pass is the
product [H', H] @ [H, 3·W], and the horizontal pass is [H'·3, W] @ [W, W']: each is one batched
matrix product, without copying memory.
"""

from __future__ import annotations

import torch
from torch import Tensor


def resample(pixels: Tensor, boxes: Tensor, size: int, flip: Tensor | None = None) -> Tensor:
    """Cut a box out of each image and resize it to a square, bilinear with antialiasing.

    The result equals that of `PIL.Image.resize(…, BILINEAR, box=…)`, which however rounds to 8 bits
    between its two passes. The edges of boxes may lie between pixels.

    Parameters
    ----------
    pixels : Tensor
        uint8 [N, R, 3, R], row-planar.
    boxes : Tensor
        float32 [N, 4]: left, top, width, height as fractions of the image.
    size : int
        S, side of the square in pixels.
    flip : Tensor, optional
        bool [N]: whether to mirror each image left to right.

    Returns
    -------
    Tensor
        float32 [N, S, 3, S] in [0, 1], row-planar.

    Examples
    --------
    >>> pixels = torch.zeros(1, 2, 3, 2, dtype=torch.uint8)
    >>> pixels[..., 1] = 255  # the right half is white
    >>> whole = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    >>> resample(pixels, whole, size=1).flatten().tolist()
    [0.5, 0.5, 0.5]
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
    """Weights of a triangle filter that resamples `side` samples to `size` samples.

    Sample j lies at j + ½. The interval [start, start + length] is divided into `size` equal parts,
    and output i is centred on part i. Its triangle is as wide as the spacing of outputs, and no
    narrower than that of inputs.

    Parameters
    ----------
    start, length : Tensor
        float32 [N]: the interval, as fractions of `side`.
    side, size : int
        Numbers of samples before and after.
    flip : Tensor, optional
        bool [N]: whether to reverse the order of the outputs.

    Returns
    -------
    Tensor
        float32 [N, size, side]; every row sums to 1.
    """
    step = length * (side / size)
    steps = torch.arange(size, device=start.device) + 0.5
    positions = steps.expand(len(start), size)
    if flip is not None:
        positions = torch.where(flip[:, None], size - positions, positions)
    centres = torch.addcmul((start * side)[:, None], positions, step[:, None])  # [N, size]
    samples = torch.arange(side, device=start.device) + 0.5
    distance = (samples - centres.unsqueeze(2)).abs_()  # [N, size, side]
    triangle = distance.mul_(-1 / step.clamp(min=1)[:, None, None]).add_(1).relu_()
    return triangle.div_(triangle.sum(dim=2, keepdim=True))


def blur(pixels: Tensor, sigma: Tensor, kernel: int) -> Tensor:
    """Blur each image with a Gaussian of its own width; borders are mirrored.

    Parameters
    ----------
    pixels : Tensor
        float32 [N, S, 3, S], row-planar.
    sigma : Tensor
        float32 [N]: standard deviations in pixels; 0 leaves an image as it is.
    kernel : int
        Length of the kernel, an odd number of at most 2·S − 1.

    Returns
    -------
    Tensor
        float32 [N, S, 3, S].
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
    """The length of a blur kernel: an odd number, about `share` of the side.

    The formula is that of the paper's code.

    Examples
    --------
    >>> kernel_size(64, 0.1), kernel_size(8, 0.1)
    (7, 1)
    """
    return 2 * (int(share * size) // 2) + 1


def _mirrored(size: int, kernel: int, device: torch.device) -> Tensor:
    """Build, for each tap of the kernel, the matrix that picks the pixel under it.

    Returns
    -------
    Tensor
        float32 [kernel, size·size].
    """
    shift = torch.arange(kernel, device=device)[:, None] - kernel // 2
    source = (torch.arange(size, device=device) + shift).abs()  # mirrored at the first pixel
    source = torch.where(source >= size, 2 * (size - 1) - source, source)  # and at the last
    picks = torch.nn.functional.one_hot(source, size)  # [kernel, size, size]
    return picks.to(torch.float32).view(kernel, size * size)
