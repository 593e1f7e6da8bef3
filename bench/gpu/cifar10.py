"""What the GPU jobs on CIFAR-10 share: training with checkpoints, and accuracy on the test set."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from clr_search.files.finding.find import find_images
from clr_search.progress import Silent, for_terminal
from clr_search.train import TrainConfig, load_run, train
from clr_search.train.data.decode import decode_collection
from clr_search.train.monitor.evaluate import features, knn_accuracy_on, linear_accuracy_on
from clr_search.train.monitor.metrics import METRICS, read_metrics
from clr_search.train.run import load_config

TIMED_EPOCHS = 4
"""So many are trained to time one; the first, in which kernels are chosen, is not counted."""

_BLOCK = 256  # test pictures asked at once

_MARGIN = 0.98  # of a budget is planned with: epochs differ a little


@dataclass(frozen=True, slots=True)
class Features:
    """h of all pictures, float32 [N, D], rows of unit length, and their labels, int64 [N]."""

    vectors: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training.

    Attributes
    ----------
    run : Path
        Its folder.
    seconds : float
        Of all epochs, without decoding and without measurements.
    images_per_second : float
        Each image is seen in two views.
    peak_gigabytes : float
        Most GPU memory held; 0 on a processor, and where the run was finished before.
    """

    run: Path
    seconds: float
    images_per_second: float
    peak_gigabytes: float


def require_original_pixels(folder: Path) -> None:
    """Refuse JPEG, whose pixels are not those of CIFAR-10, and whose accuracy is not comparable."""
    for file in find_images([folder]):
        if file.path.suffix.lower() in (".jpg", ".jpeg"):
            raise SystemExit(
                f"{file.path} is a JPEG, and the figures are for the original pixels of CIFAR-10. "
                "Write them as PNG, as bench/gpu/README.md says, or --rehearse."
            )


@dataclass(frozen=True, slots=True)
class Fit:
    """How many epochs fit into a time, by the seconds that one was seen to take."""

    epochs: int
    epoch_seconds: float


def epochs_within(seconds: float, folder: Path, run: Path, config: TrainConfig) -> Fit:
    """Time a few epochs in a run of their own, and tell how many fit into `seconds`.

    What was seen stays in that run: the same again gives the same number, so that a training whose
    length it is can go on.
    """
    train_on(folder, run, replace(config, epochs=TIMED_EPOCHS))
    rows = read_metrics(run / METRICS)
    each = statistics.median(float(row["seconds"]) for row in rows[1:])
    return Fit(max(1, int(_MARGIN * seconds / each)), each)


def trained_and_embedded(
    folder: Path, run: Path, config: TrainConfig
) -> tuple[Trained, Features, Features]:
    """Train on ``folder/train`` (see `train_on`), and embed it and ``folder/test``."""
    trained = train_on(folder, run, config)
    device = load_config(run).device
    return trained, embed(run, folder / "train", device), embed(run, folder / "test", device)


def train_on(folder: Path, run: Path, config: TrainConfig) -> Trained:
    """Train on ``folder/train``, or go on with the run that an earlier start left."""
    begun = (run / "config.json").exists()
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    result = train(
        [folder / "train"], run, config, resume=begun, force=not begun, reporter=for_terminal()
    )
    if result.interrupted:
        raise SystemExit("interrupted; the same command goes on from there")
    peak = torch.cuda.max_memory_allocated() / 1e9 if cuda else 0.0
    return Trained(run, result.seconds, result.images_per_second or 0.0, peak)


def embed(run: Path, folder: Path, device: str) -> Features:
    """H of a folder of folders by the encoder of a run, as the exported encoder would embed it."""
    loaded = load_run(run)
    size = loaded.config.cache_size
    collection = decode_collection(find_images([folder]), size, "memory", Path(), Silent())
    encoder = loaded.encoder.to(device)
    everything = torch.arange(len(collection))
    vectors = features(
        encoder, collection, everything, loaded.config.image_size, torch.device(device)
    )
    return Features(vectors, collection.labels.to(device))


def knn_accuracy(train_set: Features, test_set: Features) -> float:
    """Weighted kNN of InstDisc: k = 200, weights exp(cosine / 0.1), over the training set."""
    return knn_accuracy_on(train_set.vectors, train_set.labels, test_set.vectors, test_set.labels)


def nearest_accuracy(train_set: Features, test_set: Features, k: int = 10) -> float:
    """The plain vote of the k most similar training pictures by cosine; of equals, the first class.

    That of scikit-learn's `KNeighborsClassifier(n_neighbors=10, metric="cosine")`.
    """
    classes = int(train_set.labels.max()) + 1
    order = torch.arange(classes, device=train_set.labels.device)
    right = 0
    for start in range(0, len(test_set.vectors), _BLOCK):
        part = slice(start, start + _BLOCK)
        nearest = (test_set.vectors[part] @ train_set.vectors.T).topk(k, dim=1).indices
        votes = F.one_hot(train_set.labels[nearest], classes).sum(dim=1)
        right += int(((votes * classes - order).argmax(dim=1) == test_set.labels[part]).sum())
    return right / len(test_set.vectors)


def linear_accuracy(train_set: Features, test_set: Features) -> float:
    """Multinomial logistic regression on h of the training set."""
    return linear_accuracy_on(
        train_set.vectors, train_set.labels, test_set.vectors, test_set.labels
    )


def shortened(config: TrainConfig) -> TrainConfig:
    """The same settings, small enough for a rehearsal on a processor."""
    return replace(
        config, architecture="resnet18", width=0.25, stem="imagenet", batch_size=64, epochs=1
    )
