"""Multi-crop: further, local views of each picture, small and therefore cheap.

SwAV (Caron et al. 2020, arXiv 2006.09882, §3.3) adds V views of small parts at a low resolution to
the two *global* views. Each is an anchor that is to find the global views of its picture; no local
view is ever looked for, since it may not show what another one shows. Here with the loss of SimCLR:
a local view u of picture i has two positives, z1_i and z2_i, and with each of them, z⁺, the term

    −u·z⁺/τ + log( exp(u·z⁺/τ) + Σ exp(u·z⁻/τ) ),

over the 2N − 2 global views z⁻ of other pictures: NT-Xent, against as many negatives as a global
view has. Decoupled (DCL), without the first exponential. The positive that is not asked for is in
neither sum, so that the two do not compete. As in SwAV, the loss of a step is the mean over all
pairs of a view and a global view of the same picture, of which a picture has 2 + 2V.

Global views get their gradient from both sides; there is no stopped gradient, which SwAV needs for
lack of negatives. Local views are normalised by statistics of local views; running statistics,
those of inference, are of the global views alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def local_to_global(
    local: Tensor,
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    *,
    normalise: bool = True,
    decoupled: bool = False,
) -> Tensor:
    """The mean loss of local views that are to find the global views of their pictures.

    Parameters
    ----------
    local : Tensor
        Floating point [V, N, d]: projections of V local views of N images. V ≥ 1.
    z1, z2 : Tensor
        [N, d]: projections of their two global views.
    temperature : float
        τ > 0.
    normalise : bool
        Bring the projections to unit length first.
    decoupled : bool
        Take the positive out of the denominator, as DCL does; N ≥ 2 then.

    Returns
    -------
    Tensor
        Scalar, in nats.
    """
    found = torch.cat([z1, z2])  # [2N, d]
    if normalise:
        local, found = F.normalize(local, dim=2), F.normalize(found, dim=1)
    logits = local @ found.T / temperature  # [V, N, 2N]
    at = torch.arange(len(z1), device=logits.device)
    positives = torch.stack([logits[:, at, at], logits[:, at, at + len(z1)]], dim=2)
    own = torch.eye(len(z1), dtype=torch.bool, device=logits.device).repeat(1, 2)  # [N, 2N]
    negatives = logits.masked_fill(own, -torch.inf).logsumexp(dim=2, keepdim=True)
    if not decoupled:
        negatives = torch.logaddexp(negatives, positives)
    return (negatives - positives).mean()


def mean_of_pairs(of_global: Tensor, of_local: Tensor, local_views: int) -> Tensor:
    """The mean over all pairs, from those of the 2N global and of the V·N local views."""
    return (of_global + local_views * of_local) / (1 + local_views)
