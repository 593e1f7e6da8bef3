"""ICC profiles become sRGB; variants of sRGB and profiles that cannot be used change nothing."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, features

from clr_search import images
from clr_search.images.colour.profiles import MAX_PROFILE
from tests.images.written import (
    ADOBE_RGB,
    COLORANTS,
    DISPLAY_P3,
    PROPHOTO,
    png,
    ramp,
    saved,
    tiff,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS = ["JPEG", "PNG", "WEBP", "TIFF"] + ["AVIF"] * features.check("avif")
SPACES = {"P3": DISPLAY_P3, "Adobe": ADOBE_RGB, "ProPhoto": PROPHOTO}
# sRGB's own colorants, adapted to D50.
_SRGB_COLORANTS = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139))


def in_srgb(name: str, colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """The colour in sRGB, from the definition of the space: curve, matrix, matrix, curve."""
    colorants, gamma = COLORANTS[name]
    linear = np.array(colorants).T @ (np.array(colour) / 255) ** (round(gamma * 256) / 256)
    unit = (np.linalg.inv(np.array(_SRGB_COLORANTS).T) @ linear).clip(0, 1)
    encoded = np.where(unit <= 0.0031308, 12.92 * unit, 1.055 * unit ** (1 / 2.4) - 0.055)
    return np.asarray(encoded * 255)


COLOUR = (200, 100, 50)


def of(data: bytes) -> list[int]:
    """The colour of a picture of one colour."""
    pixel: list[int] = images.decode(data).pixels[3, 3].tolist()
    return pixel


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("space", SPACES)
def test_wide_spaces_become_srgb(kind: str, space: str) -> None:
    image = Image.new("RGB", (8, 8), COLOUR)
    found = of(saved(image, kind, icc_profile=SPACES[space]))
    assert np.abs(np.subtract(found, in_srgb(space, COLOUR))).max() <= 6


@pytest.mark.parametrize("space", SPACES)
def test_wide_spaces_with_opacity_and_16_bits(space: str) -> None:
    expected = in_srgb(space, COLOUR)
    image = Image.new("RGBA", (8, 8), (*COLOUR, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    assert np.abs(of(saved(image, "PNG", icc_profile=SPACES[space])) - expected).max() <= 4
    values = np.full((8, 8, 3), COLOUR, np.uint16) * 257
    values[0, 0] = 65535
    data = tiff(values, (34675, 1, SPACES[space]))
    assert np.abs(of(data) - expected).max() <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_srgb_changes_no_pixel(kind: str) -> None:
    image = Image.fromarray(ramp())
    plain = images.decode(saved(image, kind)).pixels
    assert np.array_equal(images.decode(saved(image, kind, icc_profile=SRGB)).pixels, plain)


def test_greys_stay_grey_and_a_profile_of_another_space_is_passed_over() -> None:
    grey = Image.fromarray(ramp()[..., 0])
    plain = images.decode(saved(grey, "PNG")).pixels
    assert np.array_equal(images.decode(saved(grey, "PNG", icc_profile=DISPLAY_P3)).pixels, plain)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"not a profile",
        bytes(3000),
        DISPLAY_P3[:200],
        DISPLAY_P3[:12] + b"link" + DISPLAY_P3[16:],
        DISPLAY_P3[:132] + b"\xff" * (len(DISPLAY_P3) - 132),
        DISPLAY_P3 + bytes(MAX_PROFILE),
    ],
)
def test_a_profile_that_cannot_be_used_is_as_none(broken: bytes) -> None:
    image = Image.fromarray(ramp())
    found = images.decode(saved(image, "TIFF", icc_profile=broken)).pixels
    assert np.array_equal(found, ramp())


def test_a_profile_larger_than_pillow_unpacks_is_used() -> None:
    large = DISPLAY_P3 + bytes(2_000_000)
    body = (b"iCCP", b"scanner\0\0" + zlib.compress(large))
    values = np.full((8, 8, 3), COLOUR, np.uint8)
    assert np.abs(np.subtract(of(png(2, 8, values, body)), in_srgb("P3", COLOUR))).max() <= 4
