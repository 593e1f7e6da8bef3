"""Small files that would cost gigabytes or minutes are refused within 50 MB and a moment."""

from __future__ import annotations

import random
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import features

from bench.costly import (
    BOUNDED,
    COSTLY,
    SIDE,
    chunk,
    overlapping,
    packed_text,
    png_with,
    saved,
    tiff_grey,
)
from clr_search import images
from clr_search.errors import ImageError
from clr_search.images.structure import check
from clr_search.images.structure.jpeg import without_filling
from tests.images.measured import cost
from tests.images.written import png, tiff

REASONS = {
    "jpeg-scans": "go over the same pixels again and again",
    "jpeg-refining": "go over the same pixels again and again",
    "jpeg-narrow-scans": "more than 100 scans",
    "jpeg-comments": "more than 4,096 segments before its pixels",
    "jpeg-junk": "more than 65,536 bytes between its segments",
    "jpeg-tables": "bytes of quantization tables",
    "jpeg-resources": "Photoshop resources",
    "jpeg-exif-parts": "the EXIF of the JPEG is in",
    "jpeg-exif-overlaps": "the tags of the EXIF overlap",
    "jpeg-exif-numbers": "a directory of the EXIF has 500,000 numbers",
    "jpeg-frames": "frame headers",
    "png-chunks": "more than 4,096 chunks for its size",
    "png-pixel-chunks": "more than 4,096 chunks for its size",
    "png-exif-overlaps": "the tags of the EXIF overlap",
    "png-exif-text": "the tags of the EXIF overlap",
    "png-small-chunks": "chunk of the PNG has 4,194,304 bytes",
    "png-film": "pixels are more than the limit of",
    "gif-comments": "too many comments or extensions before its pixels",
    "gif-many-comments": "too many comments or extensions before its pixels",
    "gif-extensions": "too many comments or extensions before its pixels",
    "gif-junk": "more than 4,096 bytes that belong to no block",
    "gif-empty-blocks": "too many comments or extensions before its pixels",
    "gif-nothing-but-junk": "more than 4,096 bytes that belong to no block",
    "tiff-overlaps": "the tags of the TIFF overlap",
    "tiff-tags": "a directory of the TIFF has more than 4,096 entries",
    "tiff-numbers": "of the TIFF has 500,000 values",
    "tiff-tile": "has tiles of 20,000 × 20,000",
    "tiff-strips": "more than the 1 strips or tiles of its size",
    "tiff-parts": "is cut into 90,000 parts",
    "tiff-strips-overlap": "the strips or tiles of the TIFF overlap",
    "webp-chunks": "more than 32,768 chunks",
    "webp-exif-overlaps": "the tags of the EXIF overlap",
    "bmp-steps": "too many runs for its pixels",
    "iso-overlays": "would have to be decoded",
    "iso-metadata": "the metadata of the file overlap",
    "avif-size": "but its AV1 data",
}
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
names = [pytest.param(name, marks=needs_avif if "avif" in name else ()) for name in COSTLY]


def test_every_kind_has_a_reason() -> None:
    assert REASONS.keys() == COSTLY.keys()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", names)
def test_refused_before_a_decoder_sees_it(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(data: bytes, kind: str) -> None:
        raise AssertionError("a decoder was called")

    monkeypatch.setattr(images.reading, "open_header", opened)
    with pytest.raises(ImageError, match=REASONS[name]):
        images.decode_square(COSTLY[name](random.Random(seed)), 224)


@pytest.mark.parametrize("name", names)
def test_the_cost_of_a_refusal(name: str) -> None:
    found = cost(COSTLY[name](random.Random(7)))
    assert REASONS[name] in found.outcome
    assert found.megabytes < 50
    assert found.seconds < 0.5  # 0.02 on a machine of its own


@pytest.mark.parametrize("name", BOUNDED)
def test_the_cost_of_what_may_be_read(name: str) -> None:
    data = BOUNDED[name](random.Random(3))
    found = cost(data, "BMP", "GIF", "JPEG", "PNG")
    width, height = map(int, found.outcome.split(" × "))
    assert found.megabytes < 50 + 16 * width * height / 2**20
    assert found.seconds < 0.5 + width * height / 4e6


def test_filling_changes_no_pixel_of_a_jpeg() -> None:
    """In its middle between scans and before its end; behind its end a decoder never looks."""
    whole = saved("JPEG", (40, 40), progressive=True)
    second = whole.index(b"\xff\xda", whole.index(b"\xff\xda") + 2)
    filling = b"\xff" * 2**17
    filled = whole[:second] + filling + whole[second:-2] + filling + whole[-2:] + filling
    assert without_filling(whole) is whole
    assert len(without_filling(filled)) <= len(whole) + 3
    np.testing.assert_array_equal(images.decode(filled).pixels, images.decode(whole).pixels)
    assert images.decode(filled).notes == images.decode(whole).notes


def test_an_honest_picture_costs_next_to_nothing_more() -> None:
    found = cost(saved("JPEG", (SIDE, SIDE)), "JPEG")
    assert found.megabytes < 5


@pytest.mark.parametrize("mode", ["I;16", "F", "RGBA", "LA"])
def test_wide_grey_and_transparency_take_little_more_than_the_picture(mode: str) -> None:
    """At most 12 bytes a pixel: those of Pillow's image, of the RGB one, and bands of both."""
    side = 4000
    kind = "TIFF" if mode == "F" else "PNG"
    how = {"compression": "tiff_adobe_deflate"} if mode == "F" else {}
    found = cost(saved(kind, (side, side), mode, **how), kind)
    assert found.outcome == f"{side} × {side}"
    assert found.megabytes < 12 * side * side / 2**20 + 30


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_wide_colours_take_16_bytes_a_pixel(kind: str) -> None:
    side = 3000
    values = np.zeros((side, side, 3), np.uint16)
    values[: side // 2] = 40_000
    data = png(2, 16, values) if kind == "PNG" else tiff(values, deflate=True, rows=100)
    found = cost(data, kind)
    assert found.outcome == f"{side} × {side}"
    assert found.megabytes < 16 * side * side / 2**20 + 60


def test_a_damaged_exif_whose_tags_overlap_a_little_is_read() -> None:
    good = saved("PNG", exif=overlapping(10, 5000))
    assert images.decode(good).width == SIDE


def test_many_small_texts_and_a_profile_are_read() -> None:
    """Each could be a megabyte, but is not."""
    texts = [packed_text(b"zTXt", 5000), packed_text(b"iTXt", 5000)] * 100
    profile = chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(9000)))
    assert images.decode(png_with(profile, *texts)).width == SIDE


@pytest.mark.parametrize("rows", [1, 3, 8, 2**32 - 1])
def test_strips_of_every_height_are_read(rows: int) -> None:
    strips = -(-SIDE // min(rows, SIDE))
    starts = b"".join((8 + SIDE * min(rows, SIDE) * n).to_bytes(4, "little") for n in range(strips))
    counts = (SIDE * min(rows, SIDE)).to_bytes(4, "little") * strips
    pixels = bytes(range(64))
    at = 8 + len(pixels)
    ways = [(273, 4, strips, at), (279, 4, strips, at + len(starts)), (278, 4, 1, rows)]
    if strips == 1:
        ways = [(273, 4, 1, 8), (279, 4, 1, 64), (278, 4, 1, rows)]
    data = tiff_grey(SIDE, SIDE, ways, pixels + starts + counts)
    assert images.decode(data).pixels[..., 0].ravel().tolist() == list(range(64))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"])
def test_the_size_that_the_headers_promise(kind: str) -> None:
    if kind == "HEIF":
        if find_spec("pillow_heif") is None:
            pytest.skip("the extra heif is not installed")
        from pillow_heif import register_heif_opener

        register_heif_opener()
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    name = {"WEBP": "WebP", "HEIF": "HEIC"}.get(kind, kind)
    promised = check(saved(kind, (70, 90)), name)
    assert promised is not None
    width, height = promised[:2]
    # An HEVC picture of odd size is coded larger and cut.
    assert (width, height) == (70, 90) or (kind == "HEIF" and width >= 70 and height >= 90)
