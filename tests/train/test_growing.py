"""A training whose views grow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clr_search.errors import UsageError
from clr_search.train import TrainConfig, train
from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import draw
from clr_search.train.methods import network
from clr_search.train.methods.simclr import SimCLR
from clr_search.train.settings.choices import resolve
from tests.train.test_loop import Interrupting, learned, same_weights


@pytest.fixture
def growing(tiny: TrainConfig) -> TrainConfig:
    return replace(tiny, image_size=32, grow_from=8, epochs=4, knn_every=0)


def test_views_grow_epoch_by_epoch_through_a_stop(
    pictures: Path, growing: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []
    accumulate = SimCLR.accumulate

    def noted(self: SimCLR, batch: Batch, generator: torch.Generator) -> object:
        sides.append(batch.view_side)
        return accumulate(self, batch, generator)

    monkeypatch.setattr(SimCLR, "accumulate", noted)
    steps = train([pictures], tmp_path / "whole", growing).steps // 4
    assert sides == [side for side in (8, 16, 24, 32) for _ in range(steps)]
    sides.clear()
    train([pictures], tmp_path / "parts", growing, reporter=Interrupting(after=steps + 1))
    train([pictures], tmp_path / "parts", growing, resume=True)
    assert sides == [side for side in (8, 16, 24, 32) for _ in range(steps)]
    assert same_weights(tmp_path / "whole", tmp_path / "parts")
    assert learned(tmp_path / "whole") == learned(tmp_path / "parts")


def test_small_views_are_blurred_as_much_less(
    growing: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blur is in pixels: on half the side, half of it."""
    config = resolve(growing, 36)
    draws = draw(torch.ones(8), replace(config.augmentation, blur=1.0), torch.Generator())
    seen: list[tuple[torch.Tensor, int]] = []
    apply = network.apply

    def noted(pixels: object, draws: object, settings: object, side: int) -> torch.Tensor:
        seen.append((draws.sigma, side))  # type: ignore[attr-defined]
        return apply(pixels, draws, settings, side)  # type: ignore[arg-type]

    monkeypatch.setattr(network, "apply", noted)
    pixels, numbers = torch.zeros(4, 40, 3, 40, dtype=torch.uint8), torch.arange(4)
    networks = network.build_networks(config)
    for side in (16, 32):
        batch = Batch(pixels, torch.ones(4), numbers, numbers, slice(0, 4), side)
        z = network.project(networks, batch, slice(0, 4), draws, config)
        assert z.shape == (2, 4, config.head_dim)
    (small, side), (full, full_side) = seen
    assert (side, full_side) == (16, 32)
    torch.testing.assert_close(small, full / 2)
    assert torch.equal(full, draws.sigma)


def test_views_cannot_shrink(tiny: TrainConfig) -> None:
    with pytest.raises(UsageError, match="grow_from is 24"):
        replace(tiny, image_size=16, grow_from=24)
