"""The supervised benchmark: cross entropy on the folders' names, in parts or whole."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from clr_search.errors import UsageError
from clr_search.train import train
from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.methods.supervised import Supervised
from clr_search.train.settings.resolved import ResolvedConfig
from tests.train.conftest import TINY


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def settings(settings: ResolvedConfig) -> ResolvedConfig:
    return replace(settings, method="supervised", head="none")


def test_a_classifier_of_zeros_costs_the_logarithm_of_the_classes(
    collection: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    method = Supervised(settings, collection)
    for weight in method.networks["classifier"].parameters():
        torch.nn.init.zeros_(weight)
    found = method.accumulate(batch, chance())
    assert found.loss.item() == pytest.approx(math.log(3), rel=1e-5)


def test_pictures_without_a_label_teach_nothing(
    collection: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    some = Supervised(settings, collection)
    labels = batch.labels.clone()
    labels[4:] = -1
    some.accumulate(replace(batch, labels=labels), chance())
    other = batch.pixels.clone()
    other[4:] = 0
    blind = Supervised(settings, collection)
    blind.accumulate(replace(batch, labels=labels, pixels=other), chance())
    for ours, theirs in zip(some.networks.parameters(), blind.networks.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)
    none = some.accumulate(replace(batch, labels=torch.full_like(labels, -1)), chance())
    assert none.loss == 0


def test_parts_give_the_gradient_of_the_whole(
    collection: Collection, settings: ResolvedConfig, batch: Batch
) -> None:
    whole = Supervised(settings, collection)
    parted = Supervised(replace(settings, micro_batch=5), collection)
    expected, found = whole.accumulate(batch, chance()), parted.accumulate(batch, chance())
    torch.testing.assert_close(found.loss, expected.loss)
    assert found.accuracy == expected.accuracy
    for ours, theirs in zip(parted.networks.parameters(), whole.networks.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_nothing_is_left_of_a_training_that_was_refused(tmp_path: Path) -> None:
    for number in range(10):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(tmp_path / f"{number}.png")
    with pytest.raises(UsageError, match="two folders or more"):
        train([tmp_path], tmp_path / "run", replace(TINY, method="supervised"))
    train([tmp_path], tmp_path / "run", replace(TINY, epochs=1))  # the name is still free


def test_one_class_is_nothing_to_learn(collection: Collection, settings: ResolvedConfig) -> None:
    one = replace(collection, classes=("red",), labels=torch.zeros(36, dtype=torch.int64))
    with pytest.raises(UsageError, match="two folders or more"):
        Supervised(settings, one)
