"""Training methods side by side: what is done with a batch to get gradients.

All train the same encoder on the same augmentation and schedule, into the same kind of run.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.instdisc import InstDisc
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.methods.supervised import Supervised
from clr_search.train.settings.resolved import ResolvedConfig


class Method(Protocol):
    """A method of training.

    Attributes
    ----------
    networks : nn.ModuleDict
        "encoder" and "head", and whatever else has parameters or state.
    """

    networks: nn.ModuleDict

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients of a step to those of the parameters.

        All chance comes from `generator`, which is of the processor. What is returned is cut off
        from the graph, and stays on the device until it is read.
        """
        ...


def build_method(config: ResolvedConfig, collection: Collection) -> Method:
    """The method that a configuration names, its networks on the device.

    Raises
    ------
    UsageError
        If it needs labels, and the folders give none.
    """
    if config.method == "supervised":
        return Supervised(config, collection)
    if config.method == "instdisc":
        return InstDisc(config, len(collection))
    return SimCLR(config)
