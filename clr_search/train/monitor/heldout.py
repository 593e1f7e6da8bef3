"""Held-out images, by whose loss a training can stop early.

Some images are held out of the training, and after every epoch their contrastive loss is measured
on views that are always the same. No labels are needed. A training that goes on too long on a small
collection overfits it, and then this loss rises.
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
"""One image in this many is held out."""

LEAST, MOST = 8, 256
"""Least and greatest number of images that are held out."""


def count_held_out(count: int, config: TrainConfig) -> int:
    """The number of images that are held out of `count`; 0 without `config.patience`.

    Examples
    --------
    >>> count_held_out(1000, TrainConfig(patience=5)), count_held_out(1000, TrainConfig())
    (100, 0)
    """
    if config.patience is None:
        return 0
    return min(MOST, max(LEAST, count // SHARE))


def held_out(count: int, config: ResolvedConfig) -> Tensor:
    """The numbers of the held-out images, int64 [H]; the same for the same seed and count."""
    order = torch.randperm(count, generator=generator_for(config.seed, "held out"))
    return order[: count_held_out(count, config)].sort().values


@torch.no_grad()
def held_out_loss(
    networks: nn.ModuleDict, collection: Collection, indices: Tensor, config: ResolvedConfig
) -> float:
    """NT-Xent over two views of each held-out image, in nats.

    The networks are in evaluation mode while the loss is computed; their mode is restored.

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" and "head".
    collection : Collection
        All images.
    indices : Tensor
        int64 [H]: numbers of the held-out images.
    config : ResolvedConfig
        Augmentation, temperature and image size.
    """
    device = torch.device(config.device)
    aspects, labels = collection.aspects[indices], collection.labels[indices]
    pixels, share = collection.take(indices).to(device), slice(0, len(indices))
    batch = Batch(pixels, aspects, labels, indices, share, config.image_size)
    generator = generator_for(config.seed, "held-out views")
    draws = draw(aspects.repeat(2), config.augmentation, generator)
    training = networks.training
    networks.eval()
    try:
        parts = parts_of(batch, config)
        z = torch.cat([project(networks, batch, part, draws, config) for part in parts], dim=1)
        objective = nt_xent(z[0], z[1], config.temperature, normalise=config.normalise)
        return float(objective.loss)
    finally:
        networks.train(training)
