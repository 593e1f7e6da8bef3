"""The loss of multi-crop: further, local views of each image, which are small and so cost little.

SwAV (Caron et al. 2020, arXiv 2006.09882, §3.3) adds V views of small parts at a low resolution to
the two *global* views. Each local view is an anchor whose positives are the two global views of its
image. A local view is never a positive itself, because it may not show what another one shows.

Here the loss is that of SimCLR. A local view u of image i has the positives z1_i and z2_i, and for
each of them, z⁺, the term

    −u·z⁺/τ + log( exp(u·z⁺/τ) + Σ exp(u·z⁻/τ) ),

summed over the 2N − 2 global views z⁻ of other images. This is NT-Xent, with as many negatives as a
global view has; the decoupled loss (DCL) leaves out the first exponential. The other positive is in
neither sum, so that the two do not compete. As in SwAV, the loss of a step is the mean over all
pairs of a view and a global view of the same image; an image has 2 + 2V of them.

Gradients flow into the global views, too; SwAV, which has no negatives, has to stop them. Batch
normalisation uses the statistics of local views for local views. The running statistics, which
inference uses, are those of the global views alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

BLOCK = 2**22
"""Most similarities that are held at once, 16 MB a few times over. Those of a larger batch are
computed in blocks, so that memory does not grow with the square of the batch size."""


def local_to_global(
    local: Tensor,
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    *,
    normalise: bool = True,
    decoupled: bool = False,
) -> Tensor:
    """The mean loss of local views as anchors, with the global views of their images as positives.

    Parameters
    ----------
    local : Tensor
        Floating point [V, N, d]: projections of V local views of N images. V ≥ 1.
    z1, z2 : Tensor
        Floating point [N, d]: projections of the two global views of the images.
    temperature : float
        τ > 0.
    normalise : bool
        Whether similarities are cosines; otherwise they are dot products.
    decoupled : bool
        Whether the positive is left out of the denominator, as in DCL; this takes N ≥ 2.

    Returns
    -------
    Tensor
        Scalar, in nats: the mean over the 2·V·N pairs.

    Examples
    --------
    Where all views are the same, the positive and the 2N − 2 negatives are equally likely.

    >>> z = torch.ones(3, 4)
    >>> round(local_to_global(z[None], z, z, temperature=0.1).item(), 4)  # log(1 + 4)
    1.6094
    """
    candidates = torch.cat([z1, z2])  # [2N, d]
    if normalise:
        local, candidates = F.normalize(local, dim=2), F.normalize(candidates, dim=1)
    anchors = local.flatten(0, 1)  # [V·N, d]; anchor i is of image i mod N
    images = torch.arange(len(anchors), device=anchors.device) % len(z1)
    if len(anchors) * len(candidates) <= BLOCK:
        loss = _sum_of_pairs(anchors, candidates, images, temperature, decoupled)
    else:
        loss = _InBlocks.apply(anchors, candidates, images, temperature, decoupled)
    return loss / (2 * len(anchors))


class _InBlocks(torch.autograd.Function):
    """`_sum_of_pairs`, computed in blocks of anchors.

    The forward pass computes the gradient of each block together with its loss. So no block is
    computed twice, and no tensor of the size of a block is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        candidates: Tensor,
        images: Tensor,
        temperature: float,
        decoupled: bool,
    ) -> Tensor:
        rows = max(1, BLOCK // len(candidates))
        loss = anchors.new_zeros(())
        anchors_grad, candidates_grad = torch.empty_like(anchors), torch.zeros_like(candidates)
        for start in range(0, len(anchors), rows):
            block = slice(start, start + rows)
            with torch.enable_grad():
                inputs = (
                    anchors[block].detach().requires_grad_(),
                    candidates.detach().requires_grad_(),
                )
                block_loss = _sum_of_pairs(*inputs, images[block], temperature, decoupled)
            anchors_grad[block], block_candidates_grad = torch.autograd.grad(block_loss, inputs)
            loss += block_loss.detach()
            candidates_grad += block_candidates_grad
        ctx.save_for_backward(anchors_grad, candidates_grad)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        anchors_grad, candidates_grad = ctx.saved_tensors
        return anchors_grad * upstream, candidates_grad * upstream, None, None, None


def _sum_of_pairs(
    anchors: Tensor, candidates: Tensor, images: Tensor, temperature: float, decoupled: bool
) -> Tensor:
    """The loss of n anchors, [n, d], summed over the 2n pairs with a global view of their image.

    Parameters
    ----------
    anchors, candidates : Tensor
        [n, d] local views, and all global views [2N, d].
    images : Tensor
        int64 [n]: the image of each anchor, from 0 to N − 1.
    """
    logits = anchors @ candidates.T / temperature  # [n, 2N]
    columns = torch.stack([images, images + len(candidates) // 2], dim=1)  # [n, 2]
    positives = logits.gather(1, columns)  # [n, 2]
    denominators = logits.scatter(1, columns, -torch.inf).logsumexp(dim=1, keepdim=True)  # [n, 1]
    if not decoupled:
        denominators = torch.logaddexp(denominators, positives)  # [n, 2]
    return (denominators - positives).sum()


def mean_of_pairs(global_loss: Tensor, local_loss: Tensor, local_views: int) -> Tensor:
    """The mean over all pairs of a view and a global view of the same image.

    Parameters
    ----------
    global_loss : Tensor
        Scalar: the mean over the 2N pairs whose anchor is a global view.
    local_loss : Tensor
        Scalar: the mean over the 2·V·N pairs whose anchor is a local view.
    local_views : int
        V.
    """
    return (global_loss + local_views * local_loss) / (1 + local_views)
