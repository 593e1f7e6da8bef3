"""How good h is: the weighted k-nearest-neighbour vote, and a linear classifier.

The vote is that of `knn`. While training, each picture is asked against all others; studies and
benchmarks ask test pictures against training pictures.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clr_search import knn
from clr_search.train.data.collection import Collection
from clr_search.train.data.draws import central_squares
from clr_search.train.data.resample import resample
from clr_search.train.rng import generator_for

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
    """Leave-one-out accuracy of the weighted vote, by as many neighbours as `knn.neighbours` says.

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
    present = int((torch.bincount(labels) > 0).sum())
    k = knn.neighbours(count - 1, present)
    right = 0
    for start in range(0, count, _BLOCK):
        block = vectors[start : start + _BLOCK]
        similarity = block @ vectors.T
        own = torch.arange(len(block), device=vectors.device)
        similarity[own, own + start] = -torch.inf
        right += _right_votes(similarity, labels, labels[start : start + _BLOCK], k)
    return right / count


def knn_accuracy_on(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor
) -> float:
    """Accuracy on test pictures of the weighted vote of the training pictures.

    k is that of `knn.neighbours`.

    Parameters
    ----------
    train, test : Tensor
        float32 [N, D] and [M, D], rows of unit length.
    train_labels, test_labels : Tensor
        int64 [N] and [M], from 0.
    """
    present = int((torch.bincount(train_labels) > 0).sum())
    k = knn.neighbours(len(train), present)
    right = 0
    for start in range(0, len(test), _BLOCK):
        similarity = test[start : start + _BLOCK] @ train.T
        right += _right_votes(similarity, train_labels, test_labels[start : start + _BLOCK], k)
    return right / len(test)


def _right_votes(similarity: Tensor, labels: Tensor, wanted: Tensor, k: int) -> int:
    """How many rows of similarities [b, N] give their votes to the wanted class, int64 [b]."""
    nearest, positions = similarity.topk(k, dim=1)
    shares = knn.vote(labels[positions].cpu().numpy(), nearest.cpu().numpy(), int(labels.max()) + 1)
    return int((shares.argmax(axis=1) == wanted.cpu().numpy()).sum())


def linear_accuracy_on(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, decay: float = 1e-4
) -> float:
    """Accuracy on test pictures of a logistic regression on the training pictures (§2.3).

    Features are brought to mean 0 and standard deviation 1, by the training pictures. The solver is
    L-BFGS on all of them at once, so that there is no rate to tune and no chance.

    Parameters
    ----------
    train, test, train_labels, test_labels
        As `knn_accuracy_on`; rows of any length.
    decay : float
        Weight of the squared norm of the weights.
    """
    mean, deviation = train.mean(dim=0), train.std(dim=0).clamp(min=1e-6)
    x, classes = (train - mean) / deviation, int(train_labels.max()) + 1
    weight = torch.zeros(classes, x.shape[1], device=x.device, requires_grad=True)
    offset = torch.zeros(classes, device=x.device, requires_grad=True)
    solver = torch.optim.LBFGS([weight, offset], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        loss = F.cross_entropy(x @ weight.T + offset, train_labels)
        loss = loss + decay * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    solver.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        found = ((test - mean) / deviation @ weight.T + offset).argmax(dim=1)
    return float((found == test_labels).float().mean())
