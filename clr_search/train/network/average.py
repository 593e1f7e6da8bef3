"""An exponential moving average of the weights, which a run can keep instead of the last weights.

It is updated like the teacher of Mean Teacher (arXiv 1703.01780): after step t, counted from 0,
average ← d_t · average + (1 − d_t) · weights. The decay starts small, d_t = min(d, t / (t + 9)), as
in TensorFlow's ``ExponentialMovingAverage``; so the average starts with the weights of the first
step, and the initial weights leave no trace.

The average is measured and kept, and never used in training: training is the same with and without
it. Running statistics of batch normalisation are averaged like weights, as in timm. SWA (arXiv
1803.05407) instead computes them again in a pass over the images, because a large learning rate
keeps the networks it averages apart; here the rate falls to 0, and the networks are close.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """The average of the weights of encoder and head.

    Parameters
    ----------
    networks : nn.ModuleDict
        "encoder" and "head" with their first weights.
    decay : float
        d, in [0, 1).

    Attributes
    ----------
    networks : nn.ModuleDict
        "encoder" and "head" with averaged weights, in evaluation mode.
    """

    def __init__(self, networks: nn.ModuleDict, decay: float) -> None:
        parts = {name: copy.deepcopy(networks[name]) for name in ("encoder", "head")}
        self.networks = nn.ModuleDict(parts).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, networks: nn.ModuleDict, step: int) -> None:
        """Update the average with the weights of `networks` after a step, counted from 0."""
        newest, averages = networks.state_dict(), self.networks.state_dict()
        names = [name for name, tensor in averages.items() if tensor.is_floating_point()]
        rate = 1 - decay_at(step, self._decay)
        # One call for all tensors, as in `torch.optim.swa_utils`, is one kernel on a GPU.
        torch._foreach_lerp_([averages[n] for n in names], [newest[n] for n in names], rate)
        for name in averages.keys() - names:  # whole numbers: the batches a statistic has seen
            averages[name].copy_(newest[name])


def decay_at(step: int, decay: float) -> float:
    """The decay d_t after step t, counted from 0.

    Examples
    --------
    >>> decay_at(0, 0.99), decay_at(9, 0.99), decay_at(10_000, 0.99)
    (0.0, 0.5, 0.99)
    """
    return min(decay, step / (step + 9))
