"""Training methods: what is done with a batch to get a loss."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import nn

from clr_search.train.data import Batch
from clr_search.train.losses import Objective


class Method(Protocol):
    """A method of training.

    Attributes
    ----------
    networks : nn.ModuleDict
        "encoder" and "head", and whatever else has parameters or state.
    """

    networks: nn.ModuleDict

    def objective(self, batch: Batch, generator: torch.Generator) -> Objective:
        """What a step minimises; all chance comes from `generator`, which is of the processor."""
        ...
