"""The measures, by closed forms, and by networks that know exactly one thing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from clr_search.train import TrainConfig
from clr_search.train.settings.choices import resolve
from clr_search.train.study.applied import applied, blurred, grey, turned
from clr_search.train.study.measures import measure, softmax_entropy
from clr_search.train.study.pictures import Pictures
from tests.train.study.conftest import BASE


def test_entropy_of_equal_and_of_certain_choices() -> None:
    config = TrainConfig(temperature=0.01)
    assert float(softmax_entropy(torch.ones(8, 3), config)) == pytest.approx(math.log(7), rel=1e-5)
    pairs = torch.eye(4).repeat(2, 1)
    assert float(softmax_entropy(pairs, config)) == pytest.approx(0, abs=1e-6)
    dots = replace(config, normalise=False, temperature=1e3)
    assert float(softmax_entropy(pairs, dots)) == pytest.approx(math.log(7), rel=1e-3)


class Colourfulness(nn.Module):
    """Embeds an image by how far its channels are apart, and by that alone."""

    def forward(self, images: Tensor) -> Tensor:
        spread = (images.amax(dim=1) - images.amin(dim=1)).mean(dim=(1, 2))
        return torch.stack([spread, 0.1 * torch.ones_like(spread)], dim=1)


def test_what_was_applied_is_found_by_who_keeps_it(found: Pictures) -> None:
    """h knows whether there is colour, and nothing of rotation; z knows nothing."""
    config = resolve(replace(BASE, epochs=1), 30)
    blind = nn.Linear(2, 2)
    nn.init.zeros_(blind.weight)
    nn.init.ones_(blind.bias)
    networks = nn.ModuleDict({"encoder": Colourfulness(), "head": blind})
    told = applied(networks, config, found)
    assert told["grey h"] == 100
    assert told["grey z"] == 50
    assert told["rotation h"] == pytest.approx(25, abs=5)
    assert told["rotation z"] == 25
    assert told["blur z"] == 50


def test_what_is_applied() -> None:
    squares = torch.rand(2, 32, 3, 32, generator=torch.Generator().manual_seed(0))
    images = squares.permute(0, 2, 1, 3)
    assert torch.equal(turned(squares, 1).permute(0, 2, 1, 3), images.rot90(1, (2, 3)))
    red, green, blue = grey(squares).unbind(dim=2)
    assert torch.equal(red, green)
    assert torch.equal(green, blue)
    assert blurred(squares).std() < 0.8 * squares.std()
    flat = torch.full_like(squares, 0.5)
    assert torch.allclose(blurred(flat), flat, atol=1e-5)


def test_every_measure_is_a_share(found: Pictures) -> None:
    """A network that sees the mean colour tells three colours apart, and views of one image not."""

    class MeanColour(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean(dim=(2, 3))

    networks = nn.ModuleDict({"encoder": MeanColour(), "head": nn.Identity()})
    told = measure(networks, resolve(replace(BASE, epochs=1), 30), found)
    assert told["linear h"] == told["linear z"] == told["kNN h"] == 100
    assert 0 <= told["contrastive"] < 100
    assert 0 < told["entropy"] < math.log(11)  # of 12 views of 6 test images
    assert told["rotation h"] == pytest.approx(25, abs=5)
