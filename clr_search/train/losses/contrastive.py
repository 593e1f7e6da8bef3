"""Losses: pure functions from the projections of two views of N images to a number.

For each of the 2N views, the *anchor*, its partner is the positive and the 2N − 2 views of other
images are the negatives. "§", "Table" and "equation" refer to SimCLR, arXiv 2002.05709.
Similarities are cosines, or with ``normalise=False`` plain dot products (Table 5).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from clr_search.train.losses.tiled import tiled_nt_xent


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


def nt_xent(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    *,
    normalise: bool = True,
    tile: int | None = None,
) -> Objective:
    """Normalised temperature-scaled cross entropy (§2.1, equation 1).

    The cross entropy of picking the partner among all 2N − 1 other views by similarity over τ; the
    mean over the views.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d]: projections of the two views of N images. They need no unit length.
    temperature : float
        τ > 0.
    normalise : bool
        Bring the projections to unit length first.
    tile : int, optional
        Never hold more than about tile × tile of the 2N × 2N similarities; see `tiled`.

    Returns
    -------
    Objective
        Loss and contrastive accuracy.
    """
    if tile is not None:
        z = _projections(z1, z2, normalise=normalise)
        return Objective(*tiled_nt_xent(z, temperature, tile))
    similarity, partner = _similarities(z1, z2, normalise=normalise)
    loss = F.cross_entropy(similarity / temperature, partner)
    return Objective(loss, _accuracy(similarity, partner))


def dcl(z1: Tensor, z2: Tensor, temperature: float, *, normalise: bool = True) -> Objective:
    """Decoupled contrastive loss (Yeh et al. 2022, arXiv 2110.06848, equation 6).

    NT-Xent with the positive taken out of the denominator, which weakens the gradient of easy
    batches the more, the smaller they are. It can be negative. N ≥ 2; parameters as `nt_xent`.
    """
    similarity, partner = _similarities(z1, z2, normalise=normalise)
    positive, negatives = _parted(similarity / temperature, partner)
    loss = (negatives.logsumexp(dim=1) - positive).mean()
    return Objective(loss, _accuracy(similarity, partner))


def nt_logistic(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    *,
    normalise: bool = True,
    semi_hard: bool = False,
) -> Objective:
    """Logistic loss (Table 2): −log σ(u·v⁺/τ) − log σ(−u·v⁻/τ).

    The term of the negatives is their mean, so that it weighs as much as that of the positive.

    Parameters
    ----------
    z1, z2, temperature, normalise
        As `nt_xent`; N ≥ 2.
    semi_hard : bool
        Of the negatives take only the semi-hard one; see `semi_hard_negative`.
    """
    similarity, partner = _similarities(z1, z2, normalise=normalise)
    positive, negatives = _parted(similarity, partner)
    if semi_hard:
        negatives = semi_hard_negative(positive, negatives)[:, None]
    repelled = F.softplus(negatives / temperature).sum(dim=1)  # of −inf, 0
    terms = F.softplus(-positive / temperature) + repelled / negatives.isfinite().sum(dim=1)
    return Objective(terms.mean(), _accuracy(similarity, partner))


def margin_triplet(
    z1: Tensor,
    z2: Tensor,
    margin: float,
    *,
    normalise: bool = True,
    semi_hard: bool = False,
) -> Objective:
    """Margin triplet loss (Table 2): max(u·v⁻ − u·v⁺ + m, 0), the mean over the negatives.

    Parameters
    ----------
    z1, z2, normalise
        As `nt_xent`; N ≥ 2.
    margin : float
        m ≥ 0.
    semi_hard : bool
        Of the negatives take only the semi-hard one; see `semi_hard_negative`.
    """
    similarity, partner = _similarities(z1, z2, normalise=normalise)
    positive, negatives = _parted(similarity, partner)
    if semi_hard:
        negatives = semi_hard_negative(positive, negatives)[:, None]
    hinges = F.relu(negatives - positive[:, None] + margin)  # of −inf, 0
    terms = hinges.sum(dim=1) / negatives.isfinite().sum(dim=1)
    return Objective(terms.mean(), _accuracy(similarity, partner))


def semi_hard_negative(positive: Tensor, negatives: Tensor) -> Tensor:
    """The most similar negative that is less similar than the positive.

    As FaceNet mines them (Schroff et al. 2015, arXiv 1503.03832, §3.2): harder ones would collapse
    the network early on. Where every negative is more similar, the least similar of them.

    Parameters
    ----------
    positive : Tensor
        [M]: similarity of each anchor to its partner.
    negatives : Tensor
        [M, K]: to the others; −inf where there is none.

    Returns
    -------
    Tensor
        [M].
    """
    easier = negatives < positive[:, None]
    below = negatives.masked_fill(~easier, -torch.inf).amax(dim=1)
    least = negatives.masked_fill(negatives == -torch.inf, torch.inf).amin(dim=1)
    return torch.where(below > -torch.inf, below, least)


def _projections(z1: Tensor, z2: Tensor, *, normalise: bool) -> Tensor:
    # Brought to length 1 before they are joined: autograd keeps one copy less, 2N·d numbers.
    if normalise:
        z1, z2 = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    return torch.cat([z1, z2])


def _similarities(z1: Tensor, z2: Tensor, *, normalise: bool) -> tuple[Tensor, Tensor]:
    """Similarities [2N, 2N], −inf on the diagonal, and the partner of each view, int64 [2N]."""
    z = _projections(z1, z2, normalise=normalise)
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    partner = torch.arange(len(z), device=z.device).roll(len(z1))
    return (z @ z.T).masked_fill(own, -torch.inf), partner


def _parted(similarity: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """Similarities of the positives [2N], and of the negatives [2N, 2N], −inf for all else."""
    at = partner[:, None]
    return similarity.gather(1, at)[:, 0], similarity.scatter(1, at, -torch.inf)


def _accuracy(similarity: Tensor, partner: Tensor) -> Tensor:
    return (similarity.detach().argmax(dim=1) == partner).float().mean()
