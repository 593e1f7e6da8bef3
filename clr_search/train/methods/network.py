"""What the methods share: building their networks, and projecting a batch with them."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from clr_search.train.data.augment import apply
from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import Draws
from clr_search.train.distributed import world
from clr_search.train.network.model import build_encoder, build_head, layout_for
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.settings.zoo import of_timm


def build_networks(config: ResolvedConfig, **further: nn.Module) -> nn.ModuleDict:
    """Build the encoder f and the head g, initialised from the seed, on the device.

    Parameters
    ----------
    config : ResolvedConfig
        Settings.
    **further : nn.Module
        Other modules of the method, by name.

    Returns
    -------
    nn.ModuleDict
        "encoder", "head", and the other modules.
    """
    encoder = build_encoder(config)
    head = build_head(config, encoder.dimension)
    layout = layout_for(encoder, config.channels_last)
    networks = nn.ModuleDict({"encoder": encoder, "head": head, **further})
    networks.to(device=config.device, memory_format=layout)  # type: ignore[call-overload]
    if world().size > 1 and torch.device(config.device).type == "cuda":
        convert: Callable[[nn.ModuleDict], nn.ModuleDict] = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(networks)  # parameters keep their names and values
    return networks


def project(
    networks: nn.ModuleDict, batch: Batch, part: slice, draws: Draws, config: ResolvedConfig
) -> Tensor:
    """Augment some images of a batch, and compute their projections z = g(f(view)).

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" f and "head" g.
    batch : Batch
        B images, of which b are in this process.
    part : slice
        n of the b images.
    draws : Draws
        Random parameters of V·B views; view i is of image i mod B.
    config : ResolvedConfig
        Settings.

    Returns
    -------
    Tensor
        z, float32 [V, n, d].
    """
    count = len(batch.aspects)
    views = len(draws.flip) // count
    members = torch.arange(views * count).view(views, count)[:, batch.share][:, part].flatten()
    part_draws = draws.of(members)
    if batch.view_side != config.image_size:  # the width of the blur is in pixels
        part_draws = replace(
            part_draws, sigma=part_draws.sigma * (batch.view_side / config.image_size)
        )
    images = apply(batch.pixels[part], part_draws, config.augmentation, batch.view_side)
    seeded = of_timm(config.architecture) and networks.training
    with (
        torch.autocast(images.device.type, torch.bfloat16, enabled=config.precision == "bf16"),
        _chance_of(part_draws, images.device) if seeded else nullcontext(),
    ):
        z: Tensor = networks["head"](networks["encoder"](images))  # [V·n, d]
    return z.float().view(views, -1, z.shape[1])


@contextmanager
def _chance_of(draws: Draws, device: torch.device) -> Iterator[None]:
    """Let the chance inside a network, as that of stochastic depth, follow from that of its views.

    Equal views are thus passed through equally, which gradient caching needs, and a training that
    is resumed at any step leaves out the same branches.
    """
    digest = hashlib.blake2b(draws.boxes.numpy().tobytes(), digest_size=8).digest()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int.from_bytes(digest, "little") >> 1)
        yield


def parts_of(batch: Batch, config: ResolvedConfig) -> list[slice]:
    """The micro-batches into which this process divides its share of a batch."""
    return cut(len(batch.pixels), config.micro_batch)


def cut(count: int, most: int | None) -> list[slice]:
    """Divide a number of images into parts of at most `most` images, as equal as possible.

    No part is a single image, because batch normalisation needs two: three images in parts of at
    most two are therefore one part.

    Parameters
    ----------
    count : int
        Number of images.
    most : int or None
        Size of the largest part; None for one part.

    Examples
    --------
    >>> cut(10, 4)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 10, None)]
    >>> cut(3, 2)
    [slice(0, 3, None)]
    """
    number = 1 if most is None else max(1, min(math.ceil(count / most), count // 2))
    edges = [part * count // number for part in range(number + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]
