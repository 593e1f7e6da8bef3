"""An average of the weights over the steps, which is what a training can leave instead of the last.

The exponential moving average, as of the teacher in Mean Teacher (arXiv 1703.01780): after step t,
counted from 0, average ← d_t · average + (1 − d_t) · weights. The decay begins small, d_t = min(d,
t / (t + 9)), as TensorFlow's ``ExponentialMovingAverage`` has it: so the first step's weights are
taken as they are, and what the networks began with leaves no trace.

It is only looked at, never trained with: training is the same with and without it. Running
statistics of batch normalisation are averaged like weights, as timm does. SWA (arXiv 1803.05407)
measures them anew in a pass over the pictures, because it averages networks that a large learning
rate keeps apart; here the rate falls to nothing, and those averaged are close to each other.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """The averages of encoder and head.

    Parameters
    ----------
    networks : nn.ModuleDict
        With "encoder" and "head", from which it begins.
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
        """Take in the weights of `networks` after a step, counted from 0."""
        newest, averages = networks.state_dict(), self.networks.state_dict()
        names = [name for name, tensor in averages.items() if tensor.is_floating_point()]
        rate = 1 - decay_at(step, self._decay)
        # All in one call, as `torch.optim.swa_utils` does: on a GPU, one kernel and not hundreds.
        torch._foreach_lerp_([averages[n] for n in names], [newest[n] for n in names], rate)
        for name in averages.keys() - names:  # how many batches the statistics have seen
            averages[name].copy_(newest[name])


def decay_at(step: int, decay: float) -> float:
    """Share of the average that is kept after a step, counted from 0."""
    return min(decay, step / (step + 9))
