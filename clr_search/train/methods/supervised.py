"""Supervised training, with folders as classes: the benchmark of SimCLR (arXiv 2002.05709, §6)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from clr_search.errors import UsageError
from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import draw
from clr_search.train.distributed import total
from clr_search.train.hardware import sent
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.network import build_networks, parts_of, project
from clr_search.train.network.model import build_encoder
from clr_search.train.rng import derived_seed
from clr_search.train.settings.resolved import ResolvedConfig


def require_classes(collection: Collection) -> None:
    """Refuse a collection whose folders give fewer than two classes.

    Raises
    ------
    UsageError
        Says how to sort images into folders, or how to train without labels.
    """
    if len(collection.classes) < 2:
        raise UsageError(
            "Supervised training needs pictures in two folders or more, which are the classes.",
            "Sort pictures into one folder a class, or train without labels: --method simclr.",
        )


class Supervised:
    """Cross entropy of a linear classifier on h, over one view of each image in a step.

    Parameters
    ----------
    config : ResolvedConfig
        Settings, with "none" as the head.
    collection : Collection
        The images and their labels. Images without a label do not count in the loss.

    Raises
    ------
    UsageError
        If there are fewer than two classes.
    """

    def __init__(self, config: ResolvedConfig, collection: Collection) -> None:
        require_classes(collection)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(config.seed, "classifier"))
            dimension = build_encoder(config).dimension
            classifier = nn.Linear(dimension, len(collection.classes))
        self.networks = build_networks(config, classifier=classifier)
        self._config = config

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients of the mean cross entropy over the labelled images of the batch."""
        config = self._config
        draws = draw(batch.aspects, config.augmentation, generator)
        labels = sent(batch.labels, batch.pixels.device)
        count = (labels >= 0).sum().clamp(min=1)
        loss = correct = torch.zeros((), device=batch.pixels.device)
        for part in parts_of(batch, config):
            h = project(self.networks, batch, part, draws, config)[0]
            logits = self.networks["classifier"](h)
            targets = labels[batch.share][part]
            part_loss = F.cross_entropy(logits, targets, ignore_index=-1, reduction="sum") / count
            part_loss.backward()  # type: ignore[no-untyped-call]
            loss = loss + part_loss.detach()
            correct = correct + (logits.detach().argmax(dim=1) == targets).sum()
        return Objective(total(loss), total(correct) / count)
