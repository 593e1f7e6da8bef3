"""What the GPU jobs on CIFAR-10 share: training with checkpoints, and accuracy on the test set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clr_search.files import find_images
from clr_search.progress import Silent, for_terminal
from clr_search.train import TrainConfig, load_run, train
from clr_search.train.data import decode_collection
from clr_search.train.evaluate import features, knn_accuracy_on, linear_accuracy_on
from clr_search.train.run import load_config


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
