"""DCL, the decoupled contrastive loss (Yeh et al. 2022, arXiv 2110.06848, equation 6).

It is NT-Xent without the positive in the denominator:

    ℓ_i = −s_i,p(i) / τ + log Σ_{k≠i, k≠p(i)} exp(s_ik / τ)

In NT-Xent the positive in the denominator shrinks the gradient of easy batches, the more the
smaller the batch is. DCL does not have this factor, and so needs no large batch.
"""

from __future__ import annotations

from torch import Tensor

from clr_search.train.losses.objective import Objective
from clr_search.train.losses.similarity import (
    contrastive_accuracy,
    positives_and_negatives,
    similarity_matrix,
)


def dcl(z1: Tensor, z2: Tensor, temperature: float, *, normalise: bool = True) -> Objective:
    """Decoupled contrastive loss of the projections of two views.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d], N ≥ 2: projections of the two views of N images, of any length.
    temperature : float
        τ > 0.
    normalise : bool
        Whether similarities are cosines; otherwise they are dot products.

    Returns
    -------
    Objective
        The loss, which can be negative, and the contrastive accuracy.

    Examples
    --------
    The similarity is 1 to the partner and 0 to the 2N − 2 negatives: the loss is log 2 − 1/τ.

    >>> import torch
    >>> z = torch.eye(2)
    >>> round(dcl(z, z, temperature=0.5).loss.item(), 4)
    -1.3069
    """
    similarity, partner = similarity_matrix(z1, z2, normalise=normalise)  # [2N, 2N], [2N]
    positives, negatives = positives_and_negatives(similarity / temperature, partner)
    loss = (negatives.logsumexp(dim=1) - positives).mean()
    return Objective(loss, contrastive_accuracy(similarity, partner))
