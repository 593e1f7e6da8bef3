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

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

BLOCK = 2**22
"""Similarities held at once: 16 MB, a few times. Those of a larger batch are computed in blocks, so
that memory does not grow with the square of the batch."""


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
    anchors = local.flatten(0, 1)  # [V·N, d]; anchor i is of picture i mod N
    pictures = torch.arange(len(anchors), device=anchors.device) % len(z1)
    if len(anchors) * len(found) <= BLOCK:
        loss = _sum_of_pairs(anchors, found, pictures, temperature, decoupled)
    else:
        loss = _InBlocks.apply(anchors, found, pictures, temperature, decoupled)
    return loss / (2 * len(anchors))


class _InBlocks(torch.autograd.Function):
    """`_sum_of_pairs`, some anchors at a time: each block leaves its part of the gradient at once.

    So no block is computed twice, and nothing of its size is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        found: Tensor,
        pictures: Tensor,
        temperature: float,
        decoupled: bool,
    ) -> Tensor:
        rows = max(1, BLOCK // len(found))
        loss = anchors.new_zeros(())
        of_anchors, of_found = torch.empty_like(anchors), torch.zeros_like(found)
        for start in range(0, len(anchors), rows):
            part = slice(start, start + rows)
            with torch.enable_grad():
                given = (anchors[part].detach().requires_grad_(), found.detach().requires_grad_())
                term = _sum_of_pairs(*given, pictures[part], temperature, decoupled)
            of_anchors[part], by_some = torch.autograd.grad(term, given)
            loss += term.detach()
            of_found += by_some
        ctx.save_for_backward(of_anchors, of_found)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        of_anchors, of_found = ctx.saved_tensors
        return of_anchors * upstream, of_found * upstream, None, None, None


def _sum_of_pairs(
    anchors: Tensor, found: Tensor, pictures: Tensor, temperature: float, decoupled: bool
) -> Tensor:
    """The loss of some anchors [n, d] of `pictures`, int64 [n], summed over their 2n pairs."""
    logits = anchors @ found.T / temperature  # [n, 2N]
    own = torch.stack([pictures, pictures + len(found) // 2], dim=1)  # [n, 2]
    positives = logits.gather(1, own)
    negatives = logits.scatter(1, own, -torch.inf).logsumexp(dim=1, keepdim=True)
    if not decoupled:
        negatives = torch.logaddexp(negatives, positives)
    return (negatives - positives).sum()


def mean_of_pairs(of_global: Tensor, of_local: Tensor, local_views: int) -> Tensor:
    """The mean over all pairs, from those of the 2N global and of the V·N local views."""
    return (of_global + local_views * of_local) / (1 + local_views)
