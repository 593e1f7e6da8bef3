"""The margin triplet loss that SimCLR is compared with (arXiv 2002.05709, Tables 2 and 4).

ℓ_i = mean_k max(s_ik − s_i,p(i) + m, 0)      over the negatives k
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


def margin_triplet(
    z1: Tensor,
    z2: Tensor,
    margin: float,
    *,
    normalise: bool = True,
    semi_hard: bool = False,
) -> Objective:
    """Margin triplet loss of the projections of two views.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d], N ≥ 2: projections of the two views of N images, of any length.
    margin : float
        m ≥ 0: how much more similar the partner is to be than a negative.
    normalise : bool
        Whether similarities are cosines; otherwise they are dot products.
    semi_hard : bool
        Whether only the semi-hard negative of each anchor counts; see `semi_hard_negative`.

    Returns
    -------
    Objective
        The loss, ≥ 0, and the contrastive accuracy.

    Examples
    --------
    >>> import torch
    >>> z = torch.eye(4)  # a cosine of 1 to the partner, of 0 to the negatives
    >>> margin_triplet(z, z, margin=0.4).loss.item()
    0.0
    """
    similarity, partner = similarity_matrix(z1, z2, normalise=normalise)  # [2N, 2N], [2N]
    positives, negatives = positives_and_negatives(similarity, partner)
    if semi_hard:
        negatives = semi_hard_negative(positives, negatives)[:, None]  # [2N, 1]
    hinges = F.relu(negatives - positives[:, None] + margin)  # 0 where there is no negative
    per_anchor = hinges.sum(dim=1) / negatives.isfinite().sum(dim=1)  # [2N]
    return Objective(per_anchor.mean(), contrastive_accuracy(similarity, partner))
