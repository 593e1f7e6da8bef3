"""What the methods share: their networks, and the way of a batch through them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from clr_search.train.data.augment import apply
from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import Draws
from clr_search.train.distributed import world
from clr_search.train.network.model import build_encoder, build_head
from clr_search.train.settings.resolved import ResolvedConfig


def build_networks(config: ResolvedConfig, **further: nn.Module) -> nn.ModuleDict:
    """Encoder f, head g and further modules, initialised from the seed, on the device."""
    encoder = build_encoder(config)
    head = build_head(config, encoder.dimension)
    layout = torch.channels_last if config.channels_last else torch.contiguous_format
    networks = nn.ModuleDict({"encoder": encoder, "head": head, **further})
    networks.to(device=config.device, memory_format=layout)  # type: ignore[call-overload]
    if world().size > 1 and torch.device(config.device).type == "cuda":
        convert: Callable[[nn.ModuleDict], nn.ModuleDict] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(networks)  # parameters keep their names and values
    return networks


def project(
    networks: nn.ModuleDict, batch: Batch, part: slice, draws: Draws, config: ResolvedConfig
) -> Tensor:
    """Augment some pictures of a batch and take them through f and g.

    Parameters
    ----------
    networks : nn.ModuleDict
        With "encoder" and "head".
    batch : Batch
        b pictures here, of B in all.
    part : slice
        Which of the b.
    draws : Draws
        The dice for V·B views, view i being of picture i mod B.
    config : ResolvedConfig
        Settings.

    Returns
    -------
    Tensor
        z, float32 [V, n, d] for the n pictures of the part.
    """
    count = len(batch.aspects)
    views = len(draws.flip) // count
    members = torch.arange(views * count).view(views, count)[:, batch.share][:, part].flatten()
    chosen = draws.of(members)
    if batch.view_side != config.image_size:  # blur is in pixels
        chosen = replace(chosen, sigma=chosen.sigma * (batch.view_side / config.image_size))
    images = apply(batch.pixels[part], chosen, config.augmentation, batch.view_side)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
        z: Tensor = networks["head"](networks["encoder"](images))
    return z.float().view(views, -1, z.shape[1])


def parts_of(batch: Batch, config: ResolvedConfig) -> list[slice]:
    """The micro-batches of this process' share of a batch."""
    return cut(len(batch.pixels), config.micro_batch)


def cut(count: int, most: int | None) -> list[slice]:
    """Cut a number of pictures into parts of `most`, equal but for one picture more or less.

    No part is of a single picture, of which batch normalisation would make nothing: three pictures
    in parts of two are one part.
    """
    number = 1 if most is None else max(1, min(math.ceil(count / most), count // 2))
    edges = [part * count // number for part in range(number + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]
