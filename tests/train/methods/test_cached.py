"""The gradient of a large batch in the memory of a small one is the gradient of the large batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from clr_search.train.data.batches import Batch
from clr_search.train.data.draws import draw
from clr_search.train.methods.network import build_networks, project
from clr_search.train.methods.simclr import SimCLR, loss_for
from clr_search.train.settings.names import LossName
from clr_search.train.settings.resolved import ResolvedConfig


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def gradients(networks: nn.Module) -> dict[str, Tensor]:
    return {name: w.grad for name, w in networks.named_parameters() if w.grad is not None}


@pytest.mark.parametrize("micro_batch", [2, 5, 6, 12, 100])
@pytest.mark.parametrize(
    ("loss", "local_views"), [("nt-xent", 0), ("dcl", 0), ("margin", 0), ("nt-xent", 2)]
)
def test_equals_the_whole_batch(
    batch: Batch, settings: ResolvedConfig, micro_batch: int, loss: LossName, local_views: int
) -> None:
    local_size = 8 if local_views else None
    settings = replace(settings, loss=loss, local_views=local_views, local_size=local_size)
    whole = SimCLR(settings)
    parted = SimCLR(replace(settings, micro_batch=micro_batch))
    expected = whole.accumulate(batch, chance())
    found = parted.accumulate(batch, chance())
    torch.testing.assert_close(found.loss, expected.loss)
    assert found.accuracy == expected.accuracy
    ours, theirs = gradients(parted.networks), gradients(whole.networks)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(ours[name], gradient, rtol=1e-5, atol=1e-5 * scale)


def test_with_batch_normalisation_it_is_training_with_statistics_by_part(
    batch: Batch, settings: ResolvedConfig
) -> None:
    """The reference keeps the graphs of all parts at once, as nothing here may."""
    settings = replace(settings, norm="batch", micro_batch=4)
    method = SimCLR(settings)
    method.accumulate(batch, chance())

    networks = build_networks(settings)
    draws = draw(batch.aspects.repeat(2), settings.augmentation, chance())
    parts = [slice(start, start + 4) for start in (0, 4, 8)]
    z1, z2 = torch.cat([project(networks, batch, p, draws, settings) for p in parts], dim=1)
    loss_for(settings)(z1, z2).loss.backward()

    theirs = gradients(networks)
    for name, gradient in gradients(method.networks).items():
        scale = float(theirs[name].abs().max())
        torch.testing.assert_close(gradient, theirs[name], rtol=1e-4, atol=1e-4 * scale)
    # The running statistics have seen each part once.
    for (name, ours), other in zip(
        method.networks.named_buffers(), networks.buffers(), strict=True
    ):
        torch.testing.assert_close(ours, other, msg=name)


def test_gradients_add_to_those_that_are_there(batch: Batch, settings: ResolvedConfig) -> None:
    method = SimCLR(replace(settings, micro_batch=5))
    method.accumulate(batch, chance())
    once = {name: gradient.clone() for name, gradient in gradients(method.networks).items()}
    method.accumulate(batch, chance())
    for name, gradient in gradients(method.networks).items():
        torch.testing.assert_close(gradient, 2 * once[name])
