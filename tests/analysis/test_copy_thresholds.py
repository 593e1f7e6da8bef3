"""Thresholds from copies, and how alike pictures are as they lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clr_search.analysis.copy_thresholds import COPIES, calibrate, threshold_between
from clr_search.analysis.overlay import Sketch, correlation


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


def test_the_threshold_parts_copies_from_others() -> None:
    copies = np.linspace(0.90, 1.0, 101, dtype=np.float32)
    far = np.linspace(0.0, 0.5, 101, dtype=np.float32)
    assert threshold_between(copies, far) == pytest.approx(0.902)
    near = np.linspace(0.8, 0.94, 101, dtype=np.float32)
    assert threshold_between(copies, near) == pytest.approx(0.9372, abs=1e-4)
    assert threshold_between(copies, copies) == pytest.approx(0.95)  # half of them, at least
    assert threshold_between(copies, np.empty(0, np.float32)) == pytest.approx(0.902)


def test_files_that_cannot_be_read_are_left_out() -> None:
    pictures = {Path(f"{n}.png"): scene(n, 32) for n in range(6)}

    def encode(made: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        rows = np.stack([np.asarray(Sketch(p).image, np.float32).ravel() for p in made])
        rows -= rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    sample = [(path, encode([pixels])[0]) for path, pixels in pictures.items()]
    gone = (Path("gone.png"), np.ones(4096, np.float32))
    like = [Path("gone.png"), *[Path("0.png")] * 6]
    found = calibrate(pictures.get, encode, [*sample, gone], like)
    assert found is not None
    assert found.pictures == 6
    assert set(found.found) == set(COPIES)
    assert found.found["re-encoded"] == 1
    assert 0.5 < found.cosine_between <= found.cosine <= 1
    assert 0.5 < found.correlation_between <= found.correlation <= 1
    assert calibrate(pictures.get, encode, [gone], like[:1]) is None
