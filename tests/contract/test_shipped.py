"""The encoder that comes with the package."""

from __future__ import annotations

import numpy as np

from clr_search.contract.shipped import SHIPPED
from clr_search.serve import Encoder


def test_it_needs_no_path_and_gives_its_golden_vector() -> None:
    encoder = Encoder()
    assert encoder.card.name == "default"
    assert "no labels used" in encoder.card.training_data
    assert encoder.check() <= 1e-4
    pixels = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), np.uint8)
    assert encoder.encode(pixels).shape == (3, encoder.dimension)


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 24e6
