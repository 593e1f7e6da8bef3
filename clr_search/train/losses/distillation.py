"""Distillation: a student is to place pictures among each other as a teacher does.

Two terms of equal weight, of a projection p of the student and the teacher's vector t of the same
picture, both of unit length:

- cosine regression, 1 − p·t: the student's vector is to be the teacher's;
- similarity distillation (SEED, arXiv 2101.04731): the distribution softmax(p·r/τ) over some
  pictures r, and the picture itself, is to be the teacher's, softmax(t·r/τ). Its loss is the
  Kullback-Leibler divergence of the two, which is SEED's cross entropy without the part that does
  not depend on the student; so the loss is 0 where both agree.

SEED has two temperatures, 0.2 for the student and 0.01 for the teacher, so that its student is to
exaggerate the similarities. Here τ is the same for both: the second term is least where the first
one is.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clr_search.train.losses.objective import Objective

TEMPERATURE = 0.05
"""τ. At 0.05 the nearest dozens of a few thousand pictures carry nearly all of the teacher's
distribution."""


def distillation(
    p: Tensor, targets: Tensor, references: Tensor, temperature: float = TEMPERATURE
) -> Objective:
    """Cosine regression plus similarity distillation, in means over the pictures.

    Parameters
    ----------
    p : Tensor
        float [B, D]: projections of the student, of any length.
    targets : Tensor
        float32 [B, D], rows of unit length: the teacher's vectors of the same pictures.
    references : Tensor
        float32 [K, D], rows of unit length: the teacher's vectors of other pictures; K ≥ 1.
    temperature : float
        τ > 0.

    Returns
    -------
    Objective
        The loss, and the share of projections more similar to the teacher's vector of their own
        picture than to all others.

    Examples
    --------
    >>> t = torch.eye(3)
    >>> distillation(2 * t, t, t).loss.item()
    0.0
    """
    p = F.normalize(p, dim=1)
    own = (p * targets).sum(dim=1, keepdim=True)  # [B, 1]
    student = torch.cat([own, p @ references.T], dim=1)  # [B, 1 + K]
    itself = (targets * targets).sum(dim=1, keepdim=True)
    teacher = torch.cat([itself, targets @ references.T], dim=1)
    similarity = F.kl_div(
        (student / temperature).log_softmax(dim=1),
        (teacher / temperature).log_softmax(dim=1),
        reduction="batchmean",
        log_target=True,
    )
    accuracy = (student.detach().argmax(dim=1) == 0).float().mean()
    return Objective((1 - own).mean() + similarity, accuracy)
