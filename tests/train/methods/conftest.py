"""A small collection, and settings in which one step is exact enough to compare."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clr_search.files.finding.find import find_images
from clr_search.progress import Silent
from clr_search.train.data.batches import Batch
from clr_search.train.data.collection import Collection
from clr_search.train.data.decode import decode_collection
from clr_search.train.settings.choices import resolve
from clr_search.train.settings.resolved import ResolvedConfig
from tests.train.conftest import TINY


@pytest.fixture
def collection(pictures: Path) -> Collection:
    """36 pictures of 3 classes, decoded at 24 pixels."""
    return decode_collection(find_images([pictures]), 24, "memory", Path(), Silent())


@pytest.fixture
def settings(collection: Collection) -> ResolvedConfig:
    """Of a tiny network whose pictures do not see each other."""
    return resolve(replace(TINY, norm="group", batch_size=12), len(collection))


@pytest.fixture
def batch(collection: Collection) -> Batch:
    """The first 12 pictures of three classes."""
    indices = torch.arange(0, 36, 3)
    pixels, aspects = collection.take(indices), collection.aspects[indices]
    return Batch(
        pixels, aspects, collection.labels[indices], indices, slice(0, 12), TINY.image_size
    )
