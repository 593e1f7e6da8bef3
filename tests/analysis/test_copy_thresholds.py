"""Thresholds from copies, and how alike pictures are as they lie."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.comparison.overlay import Sketch, correlation
from clr_search.analysis.copy_thresholds import COPIES, LEAST, calibrate


def scene(seed: int, side: int = 128) -> NDArray[np.uint8]:
    """A picture of soft blobs, as photographs have them."""
    noise = np.random.default_rng(seed).integers(0, 256, (7, 7, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_copy_lies_like_its_original_and_no_other_does(kind: str, seed: int) -> None:
    pixels = scene(seed)
    copy = np.asarray(COPIES[kind](Image.fromarray(pixels)))
    assert copy.dtype == np.uint8
    assert copy.ndim == 3
    assert not np.array_equal(copy, pixels)
    assert correlation(Sketch(pixels), Sketch(copy)) > 0.9
    assert correlation(Sketch(copy), Sketch(pixels)) > 0.9
    assert correlation(Sketch(scene(seed + 10)), Sketch(copy)) < 0.8


def test_correlation_by_hand() -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[:, None, None], (1, 64, 3))
    one = Sketch(ramp)
    assert correlation(one, one) == pytest.approx(1, abs=1e-6)
    assert correlation(one, Sketch(255 - ramp)) == pytest.approx(-1, abs=1e-3)
    assert correlation(one, Sketch(ramp // 2 + 60)) == pytest.approx(1, abs=1e-3)
    flat = Sketch(np.full((64, 64, 3), 99, np.uint8))
    assert correlation(one, flat) == 0
    assert correlation(flat, flat) == 0


def test_a_cut_of_up_to_15_percent_is_found_again() -> None:
    picture = Image.fromarray(scene(4, 200))
    for box in ((0, 0, 180, 180), (20, 20, 200, 200), (10, 10, 190, 190), (15, 0, 185, 170)):
        cut = Sketch(np.asarray(picture.crop(box)))
        assert correlation(Sketch(np.asarray(picture)), cut) > 0.99


def grey_vectors(made: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    rows = np.stack([np.asarray(Sketch(p).image, np.float32).ravel() for p in made])
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_the_threshold_is_one_that_copies_reach() -> None:
    sample = [(scene(n), grey_vectors([scene(n)])[0]) for n in range(6)]
    found = calibrate(grey_vectors, sample)
    assert found.pictures == 6
    assert set(found.found) == set(COPIES)
    assert found.found["re-encoded"] == 1
    assert 0.5 < found.cosine <= 1


def test_the_threshold_falls_no_further_than_a_bound() -> None:
    def useless(made: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        rows = np.random.default_rng(len(made)).normal(size=(len(made), 64))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    sample = [(scene(n), useless([scene(n)])[0]) for n in range(3)]
    assert calibrate(useless, sample).cosine == LEAST
