"""Signs that a training goes wrong: a loss that is not finite, and collapsed representations."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from clr_search.errors import ClrSearchError
from clr_search.files.own import OwnFolder
from clr_search.train.checkpoint import CHECKPOINT

SPREAD_IMAGES = 256
"""Number of images, always the same ones, whose h is examined after each epoch."""


class Spread(NamedTuple):
    """How far representations differ from each other.

    Attributes
    ----------
    effective_rank : float
        The exponential of the entropy of the singular values, divided by their sum (RankMe, arXiv
        2210.02885, equation 1), in [1, min(M, D)]; 1 if all vectors lie on one line.
    mean_cosine : float
        Mean cosine of all pairs of different images, in [-1, 1]; 1 if all vectors are the same.
    """

    effective_rank: float
    mean_cosine: float

    @property
    def collapsed(self) -> bool:
        """Whether the vectors of all images are nearly the same."""
        return self.mean_cosine > 0.995 and self.effective_rank < 2


def spread(vectors: Tensor) -> Spread:
    """Measure how far the vectors of images differ from each other.

    Parameters
    ----------
    vectors : Tensor
        float32 [M, D], rows of unit length; M ≥ 2.

    Examples
    --------
    >>> spread(torch.eye(4))  # four orthogonal vectors
    Spread(effective_rank=4.0, mean_cosine=0.0)
    >>> spread(torch.ones(4, 4) / 2).collapsed
    True
    """
    vectors = vectors.cpu().double()  # Apple's MPS has no doubles
    values = torch.linalg.svdvals(vectors)
    shares = values / values.sum()
    entropy = float(-torch.special.xlogy(shares, shares).sum())
    count = len(vectors)
    total = float(vectors.sum(dim=0).square().sum())
    return Spread(math.exp(entropy), (total - count) / (count * (count - 1)))


class DivergedError(ClrSearchError):
    """A training whose loss or weights are no longer finite; going on would not mend it."""


def require_finite_loss(loss: float, out: OwnFolder | Path, step: int) -> None:
    """Stop a training whose loss is not finite, before a good checkpoint is overwritten.

    Raises
    ------
    DivergedError
        If `loss` is infinite or not a number; says how to train without divergence.
    """
    if not math.isfinite(loss):
        raise _diverged(f"The loss is {loss}", out, step)


def require_finite_weights(networks: nn.Module, out: OwnFolder | Path, step: int) -> None:
    """Stop a training whose weights are not finite, before they are measured or kept.

    The loss of a step is computed before its update. So an update may spoil the weights while every
    loss so far was finite.

    Raises
    ------
    DivergedError
        If a weight or a running statistic is infinite or not a number.
    """
    tensors = [t for t in networks.state_dict().values() if t.is_floating_point()]
    if not bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all()):
        raise _diverged("Weights are not finite", out, step)


def require_finite_vectors(vectors: Tensor, out: OwnFolder | Path, step: int) -> None:
    """Stop a training whose representations are not finite, before they are measured.

    Weights may be finite, and so large that what they give is not.

    Raises
    ------
    DivergedError
        If a number of a representation is infinite or not a number.
    """
    if not bool(vectors.isfinite().all()):
        raise _diverged("Representations of images are not finite", out, step)


def _diverged(what: str, out: OwnFolder | Path, step: int) -> DivergedError:
    checkpoint = OwnFolder.at(out) / CHECKPOINT
    kept = (
        f"The last good checkpoint is kept in {checkpoint}, but going on from it with the same "
        "settings would end here again. "
        if checkpoint.exists()
        else ""
    )
    return DivergedError(
        f"{what} around step {step:,}: training has diverged.",
        f"{kept}Train anew with a lower --learning-rate, or with --precision fp32.",
    )
