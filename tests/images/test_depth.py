"""Values of more than 8 bits are shown by the range that is used, in every format and layout."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clr_search import images
from clr_search.errors import ImageError
from clr_search.images.colour.depth import Samples, value_range
from tests.images.written import png, ramp, tiff

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

RGB = ramp()
WIDE = RGB.astype(np.uint16)


def off_by(data: bytes, expected: NDArray[Any] = RGB) -> int:
    """The largest difference of a pixel."""
    found = images.decode(data).pixels.astype(int)
    return int(np.abs(found - expected).max())


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_every_depth(bits: int, channels: int) -> None:
    full = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)]).astype(float)
    picked = {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
    values = np.rint(full[..., picked] / 255 * (2**bits - 1)).astype(np.uint16)
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    expected = RGB if channels > 2 else RGB[..., :1]
    assert off_by(png(colour_type, 16, values), expected) <= 1


@pytest.mark.parametrize("kind", ["u2", "u4", "u8", "i2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_of_every_type(kind: str, order: str, channels: int) -> None:
    scale = {"f": 1 / 255}.get(kind[0], 16)
    values = (WIDE[..., :channels] * scale).astype(kind)
    data = tiff(values, photometric=2 if channels == 3 else 1, order=order)
    assert off_by(data, RGB[..., :channels]) <= 1


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"rows": 5},
        {"deflate": True},
        {"deflate": True, "predictor": 2},
        {"deflate": True, "predictor": 2, "rows": 7},
        {"tile": 16},
        {"tile": 16, "deflate": True, "predictor": 2},
        {"planar": True},
        {"planar": True, "rows": 5, "deflate": True, "predictor": 2},
        {"planar": True, "tile": 16, "deflate": True},
        {"big": True},
        {"big": True, "tile": 16},
    ],
)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_in_every_layout(how: dict[str, Any], order: str, channels: int) -> None:
    if how.get("big") and order == ">":
        pytest.skip("refused: Pillow and libtiff read it differently")
    data = tiff(
        WIDE[..., :channels] * 16, photometric=2 if channels == 3 else 1, order=order, **how
    )
    assert off_by(data, RGB[..., :channels]) <= 1


@pytest.mark.parametrize("how", [{}, {"rows": 5}, {"tile": 16}, {"planar": True, "tile": 16}])
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_with_a_predictor(how: dict[str, Any], kind: str) -> None:
    values = (RGB / 255).astype(kind)
    assert off_by(tiff(values, deflate=True, predictor=3, **how)) <= 1


def test_white_is_zero() -> None:
    values = 4080 - WIDE[..., :1] * 16
    assert off_by(tiff(values, photometric=0), RGB[..., :1]) <= 1


def test_ink_of_16_bits() -> None:
    inks = np.zeros((2, 2, 4), np.uint16)
    inks[..., 0] = 65535
    found = images.decode(tiff(inks, photometric=5)).pixels
    assert np.abs(found.astype(int) - [0, 255, 255]).max() <= 3


def test_opacity_of_a_wide_tiff_is_applied_and_undone_where_colours_are_multiplied() -> None:
    solid = np.zeros((4, 4, 4), np.uint16)
    solid[...] = (65535, 0, 0, 32768)
    straight = images.decode(tiff(solid, extra=(2,))).pixels
    solid[..., 0] = 32768
    multiplied = images.decode(tiff(solid, extra=(1,))).pixels
    for found in (straight, multiplied):
        assert np.abs(found.astype(int) - [255, 127, 127]).max() <= 1


@pytest.mark.parametrize("tags", [(340, 341), (280, 281)])
def test_the_range_that_a_tiff_tells(tags: tuple[int, int]) -> None:
    values = 1000 + WIDE[..., :1] * 2  # uses 510 of the 1,024 steps that the file tells
    data = tiff(values, (tags[0], 3, [1000]), (tags[1], 3, [2020]), photometric=1)
    assert off_by(data, RGB[..., :1] // 2) <= 1


def test_a_range_that_the_values_exceed_is_not_believed() -> None:
    data = tiff(WIDE[..., :1] * 16, (341, 3, [100]), photometric=1)
    assert off_by(data, RGB[..., :1]) <= 1


@pytest.mark.parametrize("kind", [0, 2])
def test_the_significant_bits_of_a_png(kind: int) -> None:
    values = WIDE if kind == 2 else WIDE[..., 0]
    chunk = (b"sBIT", bytes([12] * (3 if kind == 2 else 1)))
    expected = RGB if kind == 2 else RGB[..., :1]
    dark = png(kind, 16, values * 4, chunk)  # 1,020 of the 4,095 that twelve bits hold
    assert off_by(dark, expected // 4) <= 1
    assert off_by(png(kind, 16, values * 257, chunk), expected) <= 1  # as the standard has it


def test_no_data_is_black_and_leaves_the_others_their_range() -> None:
    heights = RGB[..., :1].astype(np.float32) * 10
    holed = heights.copy()
    holed[5:9, 5:9] = -9999
    for data in (
        tiff(holed, (42113, 2, b"-9999\0"), photometric=1),
        tiff(holed, photometric=1),
    ):
        found = images.decode(data).pixels[..., 0]
        assert found[5:9, 5:9].max() == 0
        assert np.ptp(found) >= 250


@pytest.mark.parametrize("mark", [np.nan, np.inf, -np.inf, -3.4028235e38])
def test_what_is_no_number_leaves_the_others_their_range(mark: float) -> None:
    holed = (RGB[..., :1] / 255).astype(np.float32)
    holed[5:9, 5:9] = mark
    found = images.decode(tiff(holed, photometric=1)).pixels[..., 0].astype(int)
    assert np.abs(np.delete(found - RGB[..., 0], range(5, 9), 0)).max() <= 1


def test_twelve_bits_beside_marks_of_all_sixteen() -> None:
    values = WIDE[..., :1] * 16
    values[0, :7] = 65535
    found = images.decode(tiff(values, photometric=1)).pixels[..., 0].astype(int)
    assert np.abs(found[1:] - RGB[1:, :, 0]).max() <= 1


def test_dead_pixels_do_not_darken_the_picture() -> None:
    values = np.tile(WIDE[..., :1] * 16, (8, 8, 1))
    values[3, 3], values[50, 50], values[70, 9] = 65535, 61000, 50000
    found = images.decode(tiff(values, photometric=1)).pixels
    assert found.mean() > RGB[..., 0].mean() * 0.9


def test_a_few_steps_around_a_large_offset() -> None:
    """Thermal cameras tell hundredths of a kelvin."""
    found = images.decode(tiff(29000 + WIDE[..., :1], photometric=1)).pixels
    assert np.ptp(found) == 255


def test_samples_beyond_what_may_be_held_are_refused() -> None:
    data = tiff(np.zeros((30, 30, 5), np.float64))
    with pytest.raises(ImageError, match="36,000 bytes of samples are more than the limit"):
        images.decode(data, max_pixels=1000)


def test_thousands_of_bands_that_are_not_in_the_file_are_refused() -> None:
    good = tiff(np.zeros((48, 64, 4), np.uint8), photometric=5, extra=(0,))
    claim = struct.pack("<HHIHH", 277, 3, 1, 65284, 0)
    at = good.index(struct.pack("<HHI", 277, 3, 1))
    with pytest.raises(ImageError, match="claims 200,552,448 bytes of samples in a file of"):
        images.decode(good[:at] + claim + good[at + 12 :])


@settings(max_examples=200, deadline=None)
@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
    seed=st.integers(0, 9),
    kind=st.sampled_from(["u2", "u4", "i2", "i4", "f4", "f8"]),
)
def test_every_range_leaves_contrast(low: float, span: float, seed: int, kind: str) -> None:
    """Whatever values a picture has, what it shows spans an eighth of all steps, or is flat."""
    unit = np.random.default_rng(seed).random((6, 6, 1))
    if kind[0] != "f":
        info = np.iinfo(kind)
        values = np.clip(low + unit * span, info.min, info.max).astype(kind)
    else:
        values = (low + unit * span).astype(kind)
    black, white = value_range(Samples(6, 6, lambda top, bottom: values[top:bottom]))
    assert black < white
    used = float(values.max()) - float(values.min())
    if used:
        assert used / (white - black) >= 1 / 16
