"""The similarities of all pairs of views, on which every contrastive loss is computed.

N images give two views each, a and b. Stacked, [a; b], they are 2N views, and the matrix of their
similarities has four blocks, which the authors' code (google-research/simclr, objective.py) names

    [[logits_aa, logits_ab],
     [logits_ba, logits_bb]]      each [N, N]

Each row is an *anchor*. Its partner, the other view of the same image, is its positive, and stands
on the diagonal of logits_ab or logits_ba. The 2N − 2 views of other images are its negatives. The
diagonals of logits_aa and logits_bb, where a view meets itself, are −inf and count nowhere.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def stack_views(z1: Tensor, z2: Tensor, *, normalise: bool) -> Tensor:
    """Stack the projections of both views, [N, d] and [N, d], to [2N, d].

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d].
    normalise : bool
        Whether to bring each projection to unit length, so that dot products are cosines.
    """
    # Autograd keeps 2N·d numbers fewer if the views are brought to unit length before stacking.
    if normalise:
        z1, z2 = F.normalize(z1, dim=1), F.normalize(z2, dim=1)
    return torch.cat([z1, z2])


def similarity_matrix(z1: Tensor, z2: Tensor, *, normalise: bool) -> tuple[Tensor, Tensor]:
    """The similarity of each view to each, and the position of its partner.

    Parameters
    ----------
    z1, z2 : Tensor
        Floating point [N, d]: projections of the two views of N images.
    normalise : bool
        Whether similarities are cosines; otherwise they are dot products.

    Returns
    -------
    similarity : Tensor
        [2N, 2N], −inf on the diagonal.
    partner : Tensor
        int64 [2N]: the column of each row's positive.

    Examples
    --------
    >>> z = torch.eye(2)
    >>> similarity, partner = similarity_matrix(z, z, normalise=True)
    >>> similarity.tolist()[0], partner.tolist()
    ([-inf, 0.0, 1.0, 0.0], [2, 3, 0, 1])
    """
    z = stack_views(z1, z2, normalise=normalise)  # [2N, d]
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)  # [2N, 2N]
    partner = torch.arange(len(z), device=z.device).roll(len(z1))  # [2N]
    return (z @ z.T).masked_fill(itself, -torch.inf), partner


def positives_and_negatives(similarity: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """Separate the similarity of each view to its partner from those to other images' views.

    Parameters
    ----------
    similarity, partner : Tensor
        [2N, 2N] and int64 [2N], as `similarity_matrix` returns them.

    Returns
    -------
    positives : Tensor
        [2N].
    negatives : Tensor
        [2N, 2N], −inf where a view meets itself or its partner.
    """
    column = partner[:, None]  # [2N, 1]
    return similarity.gather(1, column)[:, 0], similarity.scatter(1, column, -torch.inf)


def contrastive_accuracy(similarity: Tensor, partner: Tensor) -> Tensor:
    """The share of views whose most similar other view is their partner; a scalar, no gradient."""
    return (similarity.detach().argmax(dim=1) == partner).float().mean()
