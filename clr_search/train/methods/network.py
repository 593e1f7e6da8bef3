"""What the methods share: their networks, and the way of a batch through them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from clr_search.train.augment import Draws, apply
from clr_search.train.config import ResolvedConfig
from clr_search.train.data import Batch
from clr_search.train.distributed import world
from clr_search.train.model import build_encoder, build_head


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
    count = len(batch.pixels)
    step = config.micro_batch or count
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
