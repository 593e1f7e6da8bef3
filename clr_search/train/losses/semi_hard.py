"""Semi-hard negative mining (FaceNet: Schroff et al. 2015, arXiv 1503.03832, §3.2)."""

from __future__ import annotations

import torch
from torch import Tensor


def semi_hard_negative(positives: Tensor, negatives: Tensor) -> Tensor:
    """The similarity of each anchor's semi-hard negative.

    It is the most similar of the negatives that are less similar than the positive; harder ones
    can make the network collapse early on. Where every negative is more similar than the positive,
    it is the least similar of them.

    Parameters
    ----------
    positives : Tensor
        [M]: similarity of each anchor to its partner.
    negatives : Tensor
        [M, K]: similarities to the other views; −inf where there is none.

    Returns
    -------
    Tensor
        [M].

    Examples
    --------
    >>> semi_hard_negative(torch.tensor([0.5]), torch.tensor([[0.75, 0.25, 0.0]]))
    tensor([0.2500])
    """
    easier = negatives < positives[:, None]  # [M, K]
    most_similar_easier = negatives.masked_fill(~easier, -torch.inf).amax(dim=1)  # [M]
    least_similar = negatives.masked_fill(negatives == -torch.inf, torch.inf).amin(dim=1)  # [M]
    return torch.where(most_similar_easier > -torch.inf, most_similar_easier, least_similar)
