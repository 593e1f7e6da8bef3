"""Bands that are no colours are named, and never taken for transparency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from clr_search import images
from tests.images.written import ramp, saved, tiff

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

RGB = ramp()
NEAR_INFRARED = RGB[..., :1] // 10


def with_bands(count: int) -> np.ndarray[Any, Any]:
    """RGB and further bands, which are dark."""
    return np.dstack([RGB, *[NEAR_INFRARED] * count])


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("extra", [(), (0,)])
@pytest.mark.parametrize(
    ("count", "named"),
    [
        (1, "band 4 is not shown"),
        (2, "bands 4 and 5 are not shown"),
        (3, "bands 4, 5 and 6 are not shown"),
        (9, "bands 4 to 12 are not shown"),
    ],
)
def test_bands_of_a_tiff(
    count: int, named: str, extra: tuple[int, ...], deflate: bool, planar: bool
) -> None:
    data = tiff(with_bands(count), extra=extra * count, deflate=deflate, planar=planar)
    found = images.decode(data)
    assert np.array_equal(found.pixels, RGB)
    assert [(note.kind, note.what) for note in found.notes] == [("bands", named)]


def test_opacity_is_what_the_file_calls_so() -> None:
    data = tiff(np.dstack([RGB, np.full_like(RGB[..., :1], 0), NEAR_INFRARED]), extra=(2, 0))
    found = images.decode(data)
    assert [note.what for note in found.notes] == ["band 5 is not shown"]


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_bands_without_colours(kind: str) -> None:
    """Five bands of a satellite: the first three are shown as red, green and blue."""
    scale = 257 if kind == "u2" else 1
    found = images.decode(tiff(with_bands(2).astype(kind) * scale, photometric=1))
    assert np.abs(found.pixels.astype(int) - RGB).max() <= 1
    assert [note.what for note in found.notes] == ["bands 4 and 5 are not shown"]


def test_grey_with_a_second_band() -> None:
    found = images.decode(tiff(np.dstack([RGB[..., 0], NEAR_INFRARED]), photometric=1))
    assert np.array_equal(found.pixels, np.dstack([RGB[..., 0]] * 3))
    assert [note.what for note in found.notes] == ["band 2 is not shown"]


def test_ink_of_a_fifth_colour() -> None:
    inks = np.zeros((4, 4, 5), np.uint8)
    inks[..., 0], inks[..., 4] = 255, 255
    found = images.decode(tiff(inks, photometric=5))
    assert np.abs(found.pixels.astype(int) - [0, 255, 255]).max() <= 3
    assert [note.what for note in found.notes] == ["band 5 is not shown"]


def test_the_usual_tiffs_have_no_note() -> None:
    opaque = np.dstack([RGB, np.full_like(RGB[..., :1], 255)])
    for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "P", "1"):
        data = saved(Image.fromarray(opaque).convert(mode), "TIFF")
        assert images.decode(data).notes == ()
