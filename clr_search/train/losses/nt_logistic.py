"""NT-Logistic, the logistic loss that SimCLR is compared with (arXiv 2002.05709, Tables 2 and 4).

    ℓ_i = −log σ(s_i,p(i) / τ) − mean_k log σ(−s_ik / τ)      over the negatives k

The term of the negatives is their mean, so that it weighs as much as that of the positive.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from clr_search.train.losses.objective import Objective
from clr_search.train.losses.semi_hard import semi_hard_negative
from clr_search.train.losses.similarity import (
    contrastive_accuracy,
    positives_and_negatives,
    similarity_matrix,
)


def nt_logistic(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    *,
    normalise: bool = True,
    semi_hard: bool = False,
) -> Objective:
    """Logistic loss of the projections of two views.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d], N ≥ 2: projections of the two views of N images, of any length.
    temperature : float
        τ > 0.
    normalise : bool
        Whether similarities are cosines; otherwise they are dot products.
    semi_hard : bool
        Whether only the semi-hard negative of each anchor counts; see `semi_hard_negative`.

    Returns
    -------
    Objective
        The loss, ≥ 0, and the contrastive accuracy.
    """
    similarity, partner = similarity_matrix(z1, z2, normalise=normalise)  # [2N, 2N], [2N]
    positives, negatives = positives_and_negatives(similarity, partner)
    if semi_hard:
        negatives = semi_hard_negative(positives, negatives)[:, None]  # [2N, 1]
    # −log σ(x) = softplus(−x). Where there is no negative, softplus(−inf) adds 0.
    repulsion = F.softplus(negatives / temperature).sum(dim=1) / negatives.isfinite().sum(dim=1)
    attraction = F.softplus(-positives / temperature)
    return Objective((attraction + repulsion).mean(), contrastive_accuracy(similarity, partner))
