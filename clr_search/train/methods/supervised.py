"""Supervised training on the folders' names: the benchmark that SimCLR is held against (§6)."""

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
    """Refuse a collection that has nothing to tell apart.

    Raises
    ------
    UsageError
        If its folders give fewer than two classes.
    """
    if len(collection.classes) < 2:
        raise UsageError(
            "Supervised training needs pictures in two folders or more, which are the classes.",
            "Sort pictures into one folder a class, or train without labels: --method simclr.",
        )


class Supervised:
    """Cross entropy of a linear classifier on h; one view of each picture a step.

    Parameters
    ----------
    config : ResolvedConfig
        Settings; its head is "none".
    collection : Collection
        Its labels; pictures without one teach nothing.
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
        """Add the gradients of the cross entropy, the mean over the pictures with a label."""
        config = self._config
        draws = draw(batch.aspects, config.augmentation, generator)
        labels = sent(batch.labels, batch.pixels.device)
        count = (labels >= 0).sum().clamp(min=1)
        loss = right = torch.zeros((), device=batch.pixels.device)
        for part in parts_of(batch, config):
            h = project(self.networks, batch, part, draws, config)[0]
            logits = self.networks["classifier"](h)
            here = labels[batch.share][part]
            wrong = F.cross_entropy(logits, here, ignore_index=-1, reduction="sum") / count
            wrong.backward()  # type: ignore[no-untyped-call]
            loss = loss + wrong.detach()
            right = right + (logits.detach().argmax(dim=1) == here).sum()
        return Objective(total(loss), total(right) / count)
