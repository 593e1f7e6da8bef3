"""What the GPU job on CIFAR-10 decides and measures; the training itself is of `train`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from bench.gpu import cifar10
from bench.gpu.cifar10_record import peak_rate, recipe
from clr_search.train import TrainConfig


@pytest.mark.parametrize(
    ("epochs", "batch", "rate"),
    [(100, 256, 0.06), (20, 512, 0.12), (500, 256, 0.03), (1000, 512, 0.06)],
)
def test_peak_rates_that_are_documented(epochs: int, batch: int, rate: float) -> None:
    assert peak_rate(epochs, batch) == pytest.approx(rate)


def test_peak_rate_falls_in_between() -> None:
    rates = [peak_rate(epochs, 256) for epochs in range(100, 501, 50)]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(rates)


def test_recipe() -> None:
    config = recipe(300, 512, 3, "cpu")
    assert config.augmentation is not None
    augmentation = config.augmentation
    assert (augmentation.crop_scale, augmentation.grey) == ((0.2, 1.0), 0.1)
    assert (augmentation.strength, augmentation.blur) == (0.5, 0.0)
    assert (config.head_hidden, config.head_dim, config.temperature) == (1024, 128, 0.5)
    assert (config.optimizer, config.weight_decay, config.warmup_epochs) == ("sgd", 5e-4, 5.0)
    assert (config.epochs, config.seed, config.image_size) == (300, 3, 32)
    assert recipe(40, 512, 0, "cpu").warmup_epochs == 2.0


def test_vote_is_that_of_scikit_learn() -> None:
    """With 4 classes and 10 votes many are tied."""
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(1200, 6, generator=generator), dim=1)
    labels = torch.randint(4, (1200,), generator=generator)
    train_set = cifar10.Features(vectors[:500], labels[:500])
    test_set = cifar10.Features(vectors[500:], labels[500:])
    judge = KNeighborsClassifier(n_neighbors=10, metric="cosine")
    judge.fit(train_set.vectors.numpy(), train_set.labels.numpy())
    expected = judge.score(test_set.vectors.numpy(), test_set.labels.numpy())
    assert cifar10.nearest_accuracy(train_set, test_set) == pytest.approx(expected)


def test_jpeg_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "cat"
    folder.mkdir(parents=True)
    (folder / "0001.png").write_bytes(b"")
    cifar10.require_original_pixels(tmp_path)
    (folder / "0002.JPG").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"0002.JPG is a JPEG.* Write them as PNG"):
        cifar10.require_original_pixels(tmp_path)


def test_epochs_are_those_that_fit_and_stay_so(
    pictures: Path, tiny: TrainConfig, tmp_path: Path
) -> None:
    data, run = tmp_path / "data", tmp_path / "timing"
    data.mkdir()
    (data / "train").symlink_to(pictures)
    config = replace(tiny, knn_every=0)
    first = cifar10.epochs_within(600.0, data, run, config)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == cifar10.TIMED_EPOCHS
    assert first.epoch_seconds == sorted(row["seconds"] for row in rows[1:])[1]
    assert first.epochs == int(0.98 * 600 / first.epoch_seconds)
    assert cifar10.epochs_within(600.0, data, run, config) == first
    assert cifar10.epochs_within(1e-6, data, run, config).epochs == 1
