"""Losses: pure functions from representations to a number."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Objective(NamedTuple):
    """What a step minimises, and how well the views find each other.

    Attributes
    ----------
    loss : Tensor
        Scalar, in nats.
    accuracy : Tensor
        Scalar in [0, 1], without gradient: share of views whose nearest other view is the partner.
    """

    loss: Tensor
    accuracy: Tensor


def nt_xent(z1: Tensor, z2: Tensor, temperature: float) -> Objective:
    """Normalised temperature-scaled cross entropy (§2.1, equation 1).

    For each of the 2N views, the cross entropy of picking its partner among all 2N − 1 other views
    by cosine similarity over τ; the mean of all.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d]: projections of the two views of N images. They need no unit length.
    temperature : float
        τ > 0.

    Returns
    -------
    Objective
        Loss and contrastive accuracy.
    """
    count = z1.shape[0]
    z = F.normalize(torch.cat([z1, z2]), dim=1)  # [2N, d]
    similarity = z @ z.T / temperature  # [2N, 2N]
    own = torch.eye(2 * count, dtype=torch.bool, device=z.device)
    similarity = similarity.masked_fill(own, -torch.inf)
    partner = torch.arange(2 * count, device=z.device).roll(count)
    loss = F.cross_entropy(similarity, partner)
    accuracy = (similarity.detach().argmax(dim=1) == partner).float().mean()
    return Objective(loss, accuracy)
