"""The measures of a study: accuracies of h and z, contrastive accuracy and entropy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.train.data.augment import apply
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import draw
from clr_search.train.losses.nt_xent import nt_xent
from clr_search.train.monitor.evaluate import knn_accuracy_on, linear_accuracy_on
from clr_search.train.rng import generator_for
from clr_search.train.settings.config import TrainConfig
from clr_search.train.settings.resolved import ResolvedConfig
from clr_search.train.study.applied import applied
from clr_search.train.study.embedding import embed
from clr_search.train.study.pictures import Pictures

CONTRASTED = 256
"""Number of test images at a time on which contrastive accuracy and entropy are measured."""

TIMES = 4
"""How often, each time on other images."""


def measure(
    networks: nn.ModuleDict, config: ResolvedConfig, pictures: Pictures
) -> dict[str, float]:
    """Measure the quality of h and z on test images.

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" and "head".
    config : ResolvedConfig
        Settings of their training.
    pictures : Pictures
        Images with labels.

    Returns
    -------
    dict of str to float
        "linear h", "kNN h" and "linear z": accuracy on the test images, in per cent. "contrastive":
        share of views of test images, in per cent, whose most similar other view is the partner.
        "entropy": entropy of the softmax over the other views, in nats. And those of
        `applied.applied`.
    """
    networks.eval()
    device = torch.device(config.device)
    embedded = [
        embed(networks, part, torch.arange(len(part)), config)
        for part in (pictures.train, pictures.test)
    ]
    labels = [part.labels.to(device) for part in (pictures.train, pictures.test)]
    (h_train, z_train), (h_test, z_test) = embedded
    accuracy, entropy = contrast(
        nn.Sequential(networks["encoder"], networks["head"]), config, pictures.test
    )
    return {
        "linear h": 100 * linear_accuracy_on(h_train, labels[0], h_test, labels[1]),
        "kNN h": 100 * knn_accuracy_on(h_train, labels[0], h_test, labels[1]),
        "linear z": 100 * linear_accuracy_on(z_train, labels[0], z_test, labels[1]),
        "contrastive": 100 * accuracy,
        "entropy": entropy,
        **applied(networks, config, pictures),
    }


@torch.inference_mode()
def contrast(
    network: nn.Module, config: ResolvedConfig, collection: Collection
) -> tuple[float, float]:
    """Contrastive accuracy in [0, 1], and entropy in nats (Table 5), of z.

    Both are means over the first groups of `CONTRASTED` images of a random order, in each of which
    a view is to find its partner among all others; order and views are always the same.
    """
    device = torch.device(config.device)
    order = torch.randperm(len(collection), generator=generator_for(0, "contrast"))
    found = []
    for number, indices in enumerate(torch.split(order[: TIMES * CONTRASTED], CONTRASTED)):
        aspects = collection.aspects[indices].repeat(2)
        draws = draw(aspects, config.augmentation, generator_for(0, "contrast views", number))
        pixels = collection.take(indices).to(device)
        views = apply(pixels, draws, config.augmentation, config.image_size)
        z1, z2 = network(views).float().chunk(2)
        objective = nt_xent(z1, z2, config.temperature, normalise=config.normalise)
        entropy = softmax_entropy(torch.cat([z1, z2]), config)
        found.append((len(indices), float(objective.accuracy), float(entropy)))
    total = sum(count for count, _, _ in found)
    return (
        sum(count * accuracy for count, accuracy, _ in found) / total,
        sum(count * entropy for count, _, entropy in found) / total,
    )


def softmax_entropy(z: Tensor, config: TrainConfig) -> Tensor:
    """The mean entropy, in nats, of the softmax over similarities to all other views, over τ.

    Parameters
    ----------
    z : Tensor
        float32 [M, d]: projections of M views.
    config : TrainConfig
        Temperature, and whether similarities are cosines.
    """
    z = F.normalize(z, dim=1) if config.normalise else z
    logits = z @ z.T / config.temperature
    logits.fill_diagonal_(-torch.inf)
    shares = logits.softmax(dim=1)
    entropy: Tensor = -torch.special.xlogy(shares, shares).sum(dim=1).mean()
    return entropy
