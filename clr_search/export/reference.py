"""The reference computes in torch what `encoder.onnx` must compute, independently of its graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.export.graph import NORM_FLOOR


@torch.inference_mode()
def embed(encoder: nn.Module, images: Tensor, image_size: int) -> Tensor:
    """Embed pictures as the exported graph must.

    Parameters
    ----------
    encoder : nn.Module
        Network in evaluation mode that maps float32 [N, 3, S, S] in [0, 1] to float32 [N, D].
    images : Tensor
        Pictures of one size, uint8 [N, H, W, 3], RGB.
    image_size : int
        S in pixels.

    Returns
    -------
    Tensor
        Embeddings, float32 [N, D], of unit L2 norm.

    Examples
    --------
    >>> means = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> white = torch.full((1, 40, 60, 3), 255, dtype=torch.uint8)
    >>> embed(means, white, 32).shape
    torch.Size([1, 3])
    """
    height, width = images.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = images[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float()
    pixels = F.interpolate(
        square, (image_size, image_size), mode="bilinear", antialias=True, align_corners=False
    )
    return F.normalize(encoder(pixels / 255), dim=1, eps=NORM_FLOOR)
