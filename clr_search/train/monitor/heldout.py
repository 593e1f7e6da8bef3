"""Stopping early: when pictures that are not trained on are told apart no better any more.

Some pictures are held out, and after every epoch their contrastive loss is measured, on views that
are always the same. No label is needed. On a small collection a training that goes on too long
learns its pictures by heart, and this loss is what shows it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import draw
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.methods.network import parts_of, project
from clr_search.train.rng import generator_for
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig

SHARE = 10
"""One picture of so many is held out,"""

LEAST, MOST = 8, 256
"""but not fewer or more than these."""


def count_held_out(count: int, config: TrainConfig) -> int:
    """How many of `count` pictures are not trained on; none without `config.patience`."""
    if config.patience is None:
        return 0
    return min(MOST, max(LEAST, count // SHARE))


def held_out(count: int, config: ResolvedConfig) -> Tensor:
    """Numbers of the pictures that are not trained on, int64 [H]; always the same ones."""
    order = torch.randperm(count, generator=generator_for(config.seed, "held out"))
    return order[: count_held_out(count, config)].sort().values


@torch.no_grad()
def held_out_loss(
    networks: nn.ModuleDict, collection: Collection, chosen: Tensor, config: ResolvedConfig
) -> float:
    """NT-Xent of two views each of the pictures held out, in nats.

    The networks work as at inference, and are left in the mode they were found in.

    Parameters
    ----------
    networks : nn.ModuleDict
        With "encoder" and "head".
    collection : Collection
        All pictures.
    chosen : Tensor
        int64 [H].
    config : ResolvedConfig
        Augmentation, temperature and size.
    """
    device = torch.device(config.device)
    aspects, labels = collection.aspects[chosen], collection.labels[chosen]
    pixels, share = collection.take(chosen).to(device), slice(0, len(chosen))
    batch = Batch(pixels, aspects, labels, chosen, share, config.image_size)
    generator = generator_for(config.seed, "held-out views")
    draws = draw(aspects.repeat(2), config.augmentation, generator)
    training = networks.training
    networks.eval()
    try:
        parts = parts_of(batch, config)
        z = torch.cat([project(networks, batch, part, draws, config) for part in parts], dim=1)
        found = nt_xent(z[0], z[1], config.temperature, normalise=config.normalise)
        return float(found.loss)
    finally:
        networks.train(training)
