"""Signs that a training goes wrong: a loss that is no number, representations that collapse."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from clr_search.errors import ClrSearchError
from clr_search.train.checkpoint import CHECKPOINT

LOOKED_AT = 256
"""Pictures whose h is looked at after each epoch, always the same ones."""


class Spread(NamedTuple):
    """How far representations differ from each other.

    Attributes
    ----------
    effective_rank : float
        exp of the entropy of the singular values' shares (RankMe, arXiv 2210.02885, equation 1):
        in [1, min(M, D)]; 1 where all lie on one line.
    mean_cosine : float
        Of all pairs of different pictures, in [-1, 1]; 1 where all are the same.
    """

    effective_rank: float
    mean_cosine: float

    @property
    def collapsed(self) -> bool:
        """Whether pictures can hardly be told apart."""
        return self.mean_cosine > 0.995 and self.effective_rank < 2


def spread(vectors: Tensor) -> Spread:
    """Measure the spread of h.

    Parameters
    ----------
    vectors : Tensor
        float32 [M, D], rows of unit length; M ≥ 2.
    """
    vectors = vectors.cpu().double()  # Apple's MPS has no doubles
    values = torch.linalg.svdvals(vectors)
    shares = values / values.sum()
    entropy = float(-torch.special.xlogy(shares, shares).sum())
    count = len(vectors)
    total = float(vectors.sum(dim=0).square().sum())
    return Spread(math.exp(entropy), (total - count) / (count * (count - 1)))


def require_finite(loss: float, out: Path, step: int) -> None:
    """Stop a training whose loss is no number, before anything good is written over.

    Raises
    ------
    ClrSearchError
        If `loss` is infinite or not a number.
    """
    if math.isfinite(loss):
        return
    kept = out / CHECKPOINT
    where = (
        f"The last good checkpoint is kept in {kept}, but going on from it with the same settings "
        "would end here again. "
        if kept.is_file()
        else ""
    )
    raise ClrSearchError(
        f"The loss is {loss} around step {step:,}: training has diverged.",
        f"{where}Train anew with a lower --learning-rate, or with --precision fp32.",
    )
