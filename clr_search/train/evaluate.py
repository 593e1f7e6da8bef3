"""Weighted k-nearest-neighbour accuracy, the usual measure while training without labels.

As in InstDisc (arXiv 1805.01978, §3.4): each of the k most similar pictures votes for its class
with weight exp(cosine / 0.1). Here each picture is asked against all others, on h.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search.train.augment import central_squares
from clr_search.train.data import Collection
from clr_search.train.resample import resample
from clr_search.train.rng import generator_for

NEIGHBOURS = 200
TEMPERATURE = 0.1
MOST_IMAGES = 5000
"""Of larger collections a random sample of this size is measured, always the same one."""

_BLOCK = 256


def measurable(collection: Collection, seed: int) -> Tensor | None:
    """Numbers, int64 [M], of the pictures to measure on; None where folders give no labels.

    Pictures without a label, or alone in their class, are left out; at least two classes are
    needed.
    """
    labels = collection.labels
    counts = torch.bincount(labels[labels >= 0], minlength=1)
    chosen = ((labels >= 0) & (counts[labels.clamp(min=0)] >= 2)).nonzero()[:, 0]
    if len(chosen) > MOST_IMAGES:
        shuffled = torch.randperm(len(chosen), generator=generator_for(seed, "evaluation"))
        chosen = chosen[shuffled[:MOST_IMAGES]].sort().values
    return chosen if len(set(labels[chosen].tolist())) >= 2 else None


@torch.inference_mode()
def features(
    encoder: nn.Module, collection: Collection, indices: Tensor, size: int, device: torch.device
) -> Tensor:
    """Embed pictures as the exported encoder will: h, float32 [M, D], rows of unit length.

    The encoder is left in the mode it was found in.
    """
    training = encoder.training
    encoder.eval()
    try:
        found = []
        for start in range(0, len(indices), _BLOCK):
            part = indices[start : start + _BLOCK]
            boxes = central_squares(collection.aspects[part]).to(device)
            squares = resample(collection.take(part).to(device), boxes, size)
            found.append(F.normalize(encoder(squares.permute(0, 2, 1, 3)).float(), dim=1))
        return torch.cat(found)
    finally:
        encoder.train(training)


def knn_accuracy(vectors: Tensor, labels: Tensor) -> float:
    """Leave-one-out accuracy of the weighted vote.

    k is 200, but no more than a class has on average: all others would be wrong by necessity.

    Parameters
    ----------
    vectors : Tensor
        float32 [M, D], rows of unit length.
    labels : Tensor
        int64 [M], from 0.

    Returns
    -------
    float
        In [0, 1].
    """
    count = len(vectors)
    labels = labels.to(vectors.device)
    classes = int(labels.max()) + 1
    present = int((torch.bincount(labels) > 0).sum())
    k = max(1, min(NEIGHBOURS, round(count / present) - 1))
    right = 0
    for start in range(0, count, _BLOCK):
        block = vectors[start : start + _BLOCK]
        similarity = block @ vectors.T
        own = torch.arange(len(block), device=vectors.device)
        similarity[own, own + start] = -torch.inf
        nearest, places = similarity.topk(k, dim=1)
        votes = torch.zeros(len(block), classes, device=vectors.device)
        votes.scatter_add_(1, labels[places], (nearest / TEMPERATURE).exp())
        right += int((votes.argmax(dim=1) == labels[start : start + _BLOCK]).sum())
    return right / count
