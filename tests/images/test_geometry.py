"""A frame makes the same square of a picture in this process, in a worker and of an array."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clr_search import images
from clr_search.errors import UsageError
from clr_search.images import Frame
from clr_search.images.isolation import DecodingLimits, DecodingWorkers

FRAMES = [
    Frame(24),
    Frame(24, filter="bicubic"),
    Frame(24, fit="squash"),
    Frame(24, fit="centre", filter="bicubic"),
    Frame(24, fit="squash", filter="bicubic"),
    Frame(24, fit="pad", ground=(10, 200, 30)),
    Frame(24, fit="pad", filter="bicubic"),
]


def picture(height: int = 40, width: int = 70) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([3 * x, 5 * y, x + y], axis=2).astype(np.uint8)


@pytest.mark.parametrize("frame", FRAMES)
def test_every_way_gives_the_same_square(frame: Frame) -> None:
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "PNG")
    expected = images.square(picture(), frame)
    assert expected.shape == (24, 24, 3)
    assert np.array_equal(images.decode_square(file.getvalue(), frame).pixels, expected)
    with DecodingWorkers(1, DecodingLimits()) as workers:
        assert np.array_equal(workers.decode_square(file.getvalue(), frame).pixels, expected)
        (many,) = workers.decode_squares([file.getvalue()], frame)
        assert not isinstance(many, Exception)
        assert np.array_equal(many.pixels, expected)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_square_of_its_size_stays_as_it_is(frame: Frame) -> None:
    square = picture(24, 24)
    assert np.array_equal(images.square(square, frame), square)


def test_squash_keeps_the_edges_that_crop_loses() -> None:
    wide = np.zeros((20, 100, 3), np.uint8)
    wide[:, :20] = 255
    assert images.square(wide, Frame(10)).max() == 0
    assert images.square(wide, Frame(10, fit="squash")).max() == 255


def test_pad_fills_around_the_whole() -> None:
    padded = images.square(np.full((10, 40, 3), 255, np.uint8), Frame(16, "pad", ground=(1, 2, 3)))
    assert padded[0, 0].tolist() == [1, 2, 3]
    assert (padded[6:10] == 255).all()
    assert padded[10, 5].tolist() == [1, 2, 3]


def test_a_line_of_pixels_keeps_one() -> None:
    assert Frame(8, "pad").inner(1000, 1) == (8, 1)


def test_unknown_frames_are_refused() -> None:
    with pytest.raises(UsageError, match="stretch"):
        Frame(8, fit="stretch")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no colour"):
        Frame(8, ground=(0, 0, 300))


@pytest.mark.parametrize("shape", [(40, 70), (71, 40), (100, 24), (24, 37), (50, 50)])
def test_centre_is_scaled_first_and_cut_then(shape: tuple[int, int]) -> None:
    """To the pixel what others do, though only the middle is computed."""
    frame = Frame(24, fit="centre", filter="bicubic")
    height, width = shape
    target = (width * 24 // min(shape), height * 24 // min(shape))
    whole = Image.fromarray(picture(*shape)).resize(target, Image.Resampling.BICUBIC)
    left, top = (target[0] - 24) // 2, (target[1] - 24) // 2
    expected = np.asarray(whole.crop((left, top, left + 24, top + 24)))
    made = images.square(picture(*shape), frame)
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_a_line_of_pixels_becomes_no_picture_of_gigabytes() -> None:
    frame = Frame(24, fit="centre")
    assert frame.kept(100_000, 1) == (4, 1)
    assert images.square(np.zeros((1, 100_000, 3), np.uint8), frame).shape == (24, 24, 3)
