"""Small trainings on one thread: several test processes may share two cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from clr_search.train import TrainConfig

TINY = TrainConfig(
    width=0.25,
    stem="imagenet",
    image_size=16,
    head_dim=16,
    batch_size=8,
    epochs=3,
    optimizer="lars",
    knn_every=2,
    checkpoint_every=1,
    device="cpu",
    precision="fp32",
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> TrainConfig:
    """Settings that train on the shared pictures in a second or two."""
    return replace(TINY)
