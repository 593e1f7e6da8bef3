"""Ordinary pictures of 8 bits in sRGB come out as they always did, bit for bit.

The digests are those of releases before colours, depths and transparency were looked at: embeddings
in collections of that time stay comparable.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from clr_search import images
from tests.images.written import ramp, saved

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GOLDEN = {
    ("PNG", "RGB"): "49351ff9db53880f",
    ("PNG", "L"): "81e8cfa0cf7e3894",
    ("PNG", "P"): "12b6751f798f2083",
    ("PNG", "1"): "213ce8a3ca408137",
    ("PNG", "RGBA"): "a3e7f75b5f21e0cf",
    ("PNG", "LA"): "aafcc28771b1bbd0",
    ("BMP", "RGB"): "49351ff9db53880f",
    ("BMP", "L"): "81e8cfa0cf7e3894",
    ("GIF", "P"): "12b6751f798f2083",
    ("TIFF", "RGB"): "49351ff9db53880f",
    ("TIFF", "RGBA"): "a3e7f75b5f21e0cf",
    ("TIFF", "CMYK"): "49351ff9db53880f",
    ("WEBP", "RGB"): "49351ff9db53880f",
    ("WEBP", "RGBA"): "a3e7f75b5f21e0cf",
}


def picture(mode: str) -> Image.Image:
    """A drawing in dark colours; with transparency, on nothing."""
    pixels = ramp(60, 90) // 2
    if mode == "P":
        return Image.fromarray((pixels[..., 0] // 16).astype(np.uint8)).convert("P")
    if mode not in ("RGBA", "LA"):
        return Image.fromarray(pixels).convert(mode)
    alpha = np.zeros((60, 90, 1), np.uint8)
    alpha[10:50, 10:80] = 255
    alpha[20:30] //= 2
    return Image.fromarray(np.dstack([pixels, alpha])).convert(mode)


def digest(data: bytes) -> str:
    """SHA-256 of the pixels and of the square that is embedded."""
    whole, square = images.decode(data).pixels, images.decode_square(data, 32).pixels
    return hashlib.sha256(whole.tobytes() + square.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize(("kind", "mode"), GOLDEN)
def test_the_digests_of_older_releases(kind: str, mode: str) -> None:
    assert digest(saved(picture(mode), kind)) == GOLDEN[kind, mode]


@pytest.mark.parametrize("how", [{}, {"icc_profile": SRGB}, {"progressive": True}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_is_what_its_decoder_gives(how: dict[str, object], mode: str) -> None:
    if mode != "RGB" and "icc_profile" in how:
        pytest.skip("sRGB is a space of RGB")
    data = saved(picture(mode), "JPEG", **how)
    with Image.open(BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(images.decode(data).pixels, expected)
