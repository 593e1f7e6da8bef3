"""What a loss returns: the number to minimise, and the contrastive accuracy beside it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Objective(NamedTuple):
    """The value of a loss on one batch.

    Attributes
    ----------
    loss : Tensor
        Scalar, in nats; what a step of training minimises.
    accuracy : Tensor
        Scalar in [0, 1], without gradient. For the contrastive losses, the share of views whose
        most similar other view is their partner.
    """

    loss: Tensor
    accuracy: Tensor
