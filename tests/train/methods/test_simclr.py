"""SimCLR's step against the same written out, with and without local views."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from clr_search.train.data.augment import apply
from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import draw
from clr_search.train.losses.multicrop import local_to_global, mean_of_pairs
from clr_search.train.methods.network import build_networks
from clr_search.train.methods.simclr import SimCLR, loss_for
from clr_search.train.settings.augmentation import Augmentation
from clr_search.train.settings.names import LossName
from clr_search.train.settings.resolved import ResolvedConfig


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def gradients(networks: nn.Module) -> dict[str, Tensor]:
    return {name: w.grad for name, w in networks.named_parameters() if w.grad is not None}


def views_of(
    networks: nn.ModuleDict,
    batch: Batch,
    count: int,
    settings: Augmentation,
    side: int,
    generator: torch.Generator,
) -> Tensor:
    """z of so many views of each picture, [count, N, d]."""
    draws = draw(batch.aspects.repeat(count), settings, generator)
    z: Tensor = networks["head"](networks["encoder"](apply(batch.pixels, draws, settings, side)))
    return z.view(count, len(batch.pixels), -1)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_without_local_views_it_is_two_views_and_the_loss(
    batch: Batch, settings: ResolvedConfig, norm: str
) -> None:
    config = replace(settings, norm=norm)
    method = SimCLR(config)
    found = method.accumulate(batch, chance())
    networks = build_networks(config)
    z1, z2 = views_of(networks, batch, 2, config.augmentation, config.image_size, chance())
    expected = loss_for(config)(z1, z2)
    expected.loss.backward()  # type: ignore[no-untyped-call]
    assert torch.equal(found.loss, expected.loss)
    ours, theirs = gradients(method.networks), gradients(networks)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert torch.equal(ours[name], gradient), name


@pytest.mark.parametrize("loss", ["nt-xent", "dcl"])
def test_local_views_add_their_loss(batch: Batch, settings: ResolvedConfig, loss: LossName) -> None:
    config = replace(
        settings,
        loss=loss,
        local_views=3,
        local_size=8,
        augmentation=Augmentation(local_scale=(0.1, 0.3), blur=0.0),
    )
    method = SimCLR(config)
    found = method.accumulate(batch, chance())

    networks, generator = build_networks(config), chance()
    z1, z2 = views_of(networks, batch, 2, config.augmentation, 16, generator)
    smaller = replace(config.augmentation, crop_scale=(0.1, 0.3))
    local = views_of(networks, batch, 3, smaller, 8, generator)
    of_global = loss_for(config)(z1, z2)
    of_local = local_to_global(local, z1, z2, config.temperature, decoupled=loss == "dcl")
    expected = mean_of_pairs(of_global.loss, of_local, 3)
    expected.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found.loss, expected.detach())
    assert found.accuracy == of_global.accuracy
    theirs = gradients(networks)
    for name, gradient in gradients(method.networks).items():
        scale = float(theirs[name].abs().max())
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("micro_batch", [None, 5])
def test_running_statistics_are_of_the_global_views(
    batch: Batch, settings: ResolvedConfig, micro_batch: int | None
) -> None:
    plain = replace(settings, norm="batch", micro_batch=micro_batch)
    without, with_local = SimCLR(plain), SimCLR(replace(plain, local_views=2, local_size=8))
    without.accumulate(batch, chance())
    with_local.accumulate(batch, chance())
    statistics = dict(without.networks.named_buffers())
    assert statistics
    for name, tensor in with_local.networks.named_buffers():
        assert torch.equal(tensor, statistics[name]), name


def test_views_that_grow_are_never_smaller_than_local_ones(
    batch: Batch, settings: ResolvedConfig
) -> None:
    method = SimCLR(replace(settings, local_views=2, local_size=12))
    sides: list[int] = []
    method.networks["encoder"].register_forward_pre_hook(
        lambda _, given: sides.append(given[0].shape[2])
    )
    for side in (8, 16):
        method.accumulate(replace(batch, view_side=side), chance())
    assert sides == [8, 8, 16, 12]


@pytest.mark.parametrize(
    ("batch_size", "device", "tile"),
    [(2047, "cpu", None), (2047, "cuda", None), (2048, "cpu", 1024), (2048, "cuda", 4096)],
)
def test_tiles_are_as_large_as_suits_the_device(
    settings: ResolvedConfig, batch_size: int, device: str, tile: int | None
) -> None:
    loss = loss_for(replace(settings, batch_size=batch_size, device=device))
    assert isinstance(loss, partial)
    assert loss.keywords["tile"] == tile
