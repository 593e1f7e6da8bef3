"""The quality of h: the accuracy of a weighted kNN classifier, and of a linear classifier.

The kNN classifier is the weighted vote of `clr_search.knn`. During training each image is
classified by all others (leave-one-out); studies and benchmarks classify test images by training
images.
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
from clr_search.train.settings.resolved import ResolvedConfig

MOST_IMAGES = 5000
"""Most images to measure on; of larger collections, always the same random sample is taken."""

_BLOCK = 256  # images that are embedded, or classified, at once


def measurable(collection: Collection, seed: int) -> Tensor | None:
    """The numbers of the images on which kNN accuracy can be measured.

    These are the images with a label, in classes of at least two images.

    Returns
    -------
    Tensor or None
        int64 [M], M ≤ `MOST_IMAGES`; None if there are fewer than two such classes.
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
    """Embed the central square of images, as the exported encoder does.

    The encoder is in evaluation mode while it embeds; its mode is restored.

    Parameters
    ----------
    encoder : nn.Module
        A module from images, float32 [N, 3, S, S] in [0, 1], to h, [N, D].
    collection : Collection
        The images.
    indices : Tensor
        int64 [M]: numbers of the images to embed.
    size : int
        S, side in pixels.
    device : torch.device
        The device of the encoder.

    Returns
    -------
    Tensor
        float32 [M, D] on the device, rows of unit length.
    """
    training = encoder.training
    encoder.eval()
    try:
        vectors = []
        for start in range(0, len(indices), _BLOCK):
            part = indices[start : start + _BLOCK]
            boxes = central_squares(collection.aspects[part]).to(device)
            squares = resample(collection.take(part).to(device), boxes, size)
            vectors.append(F.normalize(encoder(squares.permute(0, 2, 1, 3)).float(), dim=1))
        return torch.cat(vectors)
    finally:
        encoder.train(training)


def measure_knn(
    networks: nn.ModuleDict, collection: Collection, indices: Tensor, config: ResolvedConfig
) -> float:
    """The leave-one-out kNN accuracy of h, in [0, 1], on some images of the collection.

    Parameters
    ----------
    networks : nn.ModuleDict
        With the "encoder".
    collection : Collection
        The images.
    indices : Tensor
        int64 [M]: numbers of the images, as `measurable` returns them.
    config : ResolvedConfig
        Image size and device.
    """
    device = torch.device(config.device)
    vectors = features(networks["encoder"], collection, indices, config.image_size, device)
    return knn_accuracy(vectors, collection.labels[indices])


def knn_accuracy(vectors: Tensor, labels: Tensor) -> float:
    """The leave-one-out accuracy of the weighted kNN classifier.

    k is at most the mean size of a class: further votes could only be for wrong classes.

    Parameters
    ----------
    vectors : Tensor
        float32 [M, D], rows of unit length.
    labels : Tensor
        int64 [M]: classes, numbered from 0.

    Returns
    -------
    float
        Share of images that are classified correctly, in [0, 1].

    Examples
    --------
    >>> vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> knn_accuracy(vectors, torch.tensor([0, 0, 1, 1]))
    1.0
    """
    count = len(vectors)
    labels = labels.to(vectors.device)
    present = int((torch.bincount(labels) > 0).sum())
    k = knn.neighbours(count - 1, present)
    correct = 0
    for start in range(0, count, _BLOCK):
        block = vectors[start : start + _BLOCK]
        similarity = block @ vectors.T
        row = torch.arange(len(block), device=vectors.device)
        similarity[row, row + start] = -torch.inf  # no image votes for itself
        correct += _count_correct(similarity, labels, labels[start : start + _BLOCK], k)
    return correct / count


def knn_accuracy_on(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor
) -> float:
    """The accuracy on test images of the weighted kNN classifier of training images.

    k is at most the mean size of a class of training images.

    Parameters
    ----------
    train, test : Tensor
        float32 [N, D] and [M, D], rows of unit length.
    train_labels, test_labels : Tensor
        int64 [N] and [M]: classes, numbered from 0.

    Returns
    -------
    float
        Share of test images that are classified correctly, in [0, 1].
    """
    present = int((torch.bincount(train_labels) > 0).sum())
    k = knn.neighbours(len(train), present)
    correct = 0
    for start in range(0, len(test), _BLOCK):
        similarity = test[start : start + _BLOCK] @ train.T
        correct += _count_correct(similarity, train_labels, test_labels[start : start + _BLOCK], k)
    return correct / len(test)


def _count_correct(similarity: Tensor, labels: Tensor, expected: Tensor, k: int) -> int:
    """The number of images that their k nearest neighbours classify correctly.

    Parameters
    ----------
    similarity : Tensor
        float32 [b, N]: cosines of b images to those that vote.
    labels, expected : Tensor
        int64 [N] and [b]: the classes of the images that vote, and of the b images.
    k : int
        Number of votes.
    """
    cosines, neighbours = similarity.topk(k, dim=1)  # [b, k]
    voters = labels[neighbours].cpu().numpy()
    shares = knn.vote(voters, cosines.cpu().numpy(), int(labels.max()) + 1)
    return int((shares.argmax(axis=1) == expected.cpu().numpy()).sum())


def linear_accuracy_on(
    train: Tensor, train_labels: Tensor, test: Tensor, test_labels: Tensor, *, decay: float = 1e-4
) -> float:
    """The accuracy on test images of a logistic regression on training images (§2.3).

    Features are standardised by the mean and the standard deviation of the training images. The
    solver is L-BFGS on all images at once, which has no learning rate and no randomness.

    Parameters
    ----------
    train, test : Tensor
        float32 [N, D] and [M, D], rows of any length.
    train_labels, test_labels : Tensor
        int64 [N] and [M]: classes, numbered from 0.
    decay : float
        Factor of the squared norm of the weights in the loss.

    Returns
    -------
    float
        Share of test images that are classified correctly, in [0, 1].
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
        predicted = ((test - mean) / deviation @ weight.T + offset).argmax(dim=1)
    return float((predicted == test_labels).float().mean())
