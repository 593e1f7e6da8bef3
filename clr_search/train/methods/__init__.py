"""The training methods. A method computes the gradients of one batch.

All methods train the same encoder, with the same augmentation and schedule, into the same kind of
run.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.losses.objective import Objective
from clr_search.train.methods.distil import Distil
from clr_search.train.methods.instdisc import InstDisc
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.methods.supervised import Supervised
from clr_search.train.settings.resolved import ResolvedConfig


class Method(Protocol):
    """A training method.

    Attributes
    ----------
    networks : nn.ModuleDict
        "encoder" and "head", and other modules with parameters or state that the method needs.
    """

    networks: nn.ModuleDict

    def accumulate(self, batch: Batch, generator: torch.Generator) -> Objective:
        """Add the gradients of the loss on a batch to the gradients of the parameters.

        Parameters
        ----------
        batch : Batch
            The images.
        generator : torch.Generator
            The source of all random numbers, on the processor.

        Returns
        -------
        Objective
            Loss and accuracy over the whole batch, detached from the graph, on the device.
        """
        ...


def build_method(config: ResolvedConfig, collection: Collection) -> Method:
    """Build the method that the settings name, with its networks on the device.

    Raises
    ------
    UsageError
        If the method needs labels and the folders give none.
    """
    if config.method == "supervised":
        return Supervised(config, collection)
    if config.method == "instdisc":
        return InstDisc(config, len(collection))
    return SimCLR(config) if config.teacher is None else Distil(config, collection)
