"""The vectors h and z of images, as they are or with something done to them before."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import central_squares
from clr_search.train.data.resample import resample
from clr_search.train.settings.resolved import ResolvedConfig

_BLOCK = 256  # images that are embedded at once

Change = Callable[[Tensor], Tensor]
"""What is done to the squares of images, float32 [n, S, 3, S] in [0, 1], row-planar."""


@torch.inference_mode()
def embed(
    networks: nn.ModuleDict,
    collection: Collection,
    indices: Tensor,
    config: ResolvedConfig,
    change: Change | None = None,
) -> tuple[Tensor, Tensor]:
    """Embed the central square of images, as the exported encoder does, and project it.

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" and "head", in evaluation mode.
    collection : Collection
        The images.
    indices : Tensor
        int64 [M]: numbers of the images.
    config : ResolvedConfig
        Image size and device.
    change : callable, optional
        What is done to the squares before.

    Returns
    -------
    h, z : Tensor
        float32 [M, D] and [M, d] on the device, rows of unit length.
    """
    device = torch.device(config.device)
    pairs = []
    for part in torch.split(indices, _BLOCK):
        boxes = central_squares(collection.aspects[part]).to(device)
        squares = resample(collection.take(part).to(device), boxes, config.image_size)
        if change is not None:
            squares = change(squares)
        h = networks["encoder"](squares.permute(0, 2, 1, 3)).float()
        pairs.append((F.normalize(h, dim=1), F.normalize(networks["head"](h).float(), dim=1)))
    h, z = (torch.cat(vectors) for vectors in zip(*pairs, strict=True))
    return h, z
