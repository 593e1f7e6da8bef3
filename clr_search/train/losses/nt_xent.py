"""NT-Xent, the loss of SimCLR: normalised temperature-scaled cross entropy.

For an anchor i with partner p(i), with similarities s and temperature τ (arXiv 2002.05709,
equation 1):

    ℓ_i = −log( exp(s_i,p(i) / τ) / Σ_{k≠i} exp(s_ik / τ) )

and the loss is the mean of ℓ over all 2N views.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from clr_search.train.losses.objective import Objective
from clr_search.train.losses.similarity import (
    contrastive_accuracy,
    similarity_matrix,
    stack_views,
)
from clr_search.train.losses.tiled import tiled_nt_xent


def nt_xent(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    *,
    normalise: bool = True,
    tile: int | None = None,
) -> Objective:
    """Cross entropy of picking the partner of a view among all 2N − 1 other views.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d]: projections of the two views of N images, of any length.
    temperature : float
        τ > 0.
    normalise : bool
        Whether similarities are cosines; otherwise they are dot products (Table 5).
    tile : int, optional
        If given, at most about tile × tile of the 2N × 2N similarities are held at once; see
        `tiled`.

    Returns
    -------
    Objective
        The loss, ≥ 0, and the contrastive accuracy.

    Examples
    --------
    Where all views are the same, each of the 2N − 1 others is as likely: the loss is log(2N − 1).

    >>> import torch
    >>> z = torch.ones(8, 4)
    >>> round(nt_xent(z, z, temperature=0.1).loss.item(), 4)  # log(15)
    2.7081
    """
    if tile is not None:
        z = stack_views(z1, z2, normalise=normalise)
        return Objective(*tiled_nt_xent(z, temperature, tile))
    similarity, partner = similarity_matrix(z1, z2, normalise=normalise)  # [2N, 2N], [2N]
    loss = F.cross_entropy(similarity / temperature, partner)
    return Objective(loss, contrastive_accuracy(similarity, partner))
