"""Whatever is drawn on a transparent ground can be seen, in every format that has transparency."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, features

from clr_search import images
from clr_search.images.colour.ground import GROUNDS, ground_of
from tests.images.written import png, saved, tiff

Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]

SHAPES: list[Box] = [(2, 2, 20, 20), (2, 12, 30, 18), (14, 2, 18, 30), (8, 8, 24, 24)]
KINDS = ["PNG", "WEBP", "TIFF", "GIF"] + ["AVIF"] * features.check("avif")


def drawn(box: Box, colour: Colour, alpha: int = 255) -> Image.Image:
    """A shape of one colour on a transparent ground."""
    image = Image.new("RGBA", (32, 32), (*colour, 0))
    ImageDraw.Draw(image).rectangle(box, fill=(*colour, alpha))
    return image


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "colour", [(255, 255, 255), (0, 0, 0), (128, 128, 128), (240, 240, 240), (255, 255, 0)]
)
def test_shapes_of_one_colour_differ(kind: str, colour: Colour) -> None:
    found = [images.decode(saved(drawn(box, colour), kind)).pixels for box in SHAPES]
    for number, one in enumerate(found):
        for other in found[:number]:
            assert np.abs(one.astype(int) - other).max() >= 60


def test_dark_and_coloured_drawings_stay_on_white() -> None:
    for colour in [(0, 0, 0), (200, 0, 0), (0, 90, 160), (128, 128, 128)]:
        found = images.decode(saved(drawn(SHAPES[0], colour), "PNG")).pixels
        assert found[31, 31].tolist() == [255, 255, 255]


def test_grey_and_palettes_with_transparency() -> None:
    shape = drawn(SHAPES[0], (255, 255, 255))
    for data in (
        saved(shape.convert("LA"), "PNG"),
        png(4, 16, np.asarray(shape.convert("LA")).astype(np.uint16) * 257),
        png(6, 16, np.asarray(shape).astype(np.uint16) * 257),
        tiff(np.asarray(shape).astype(np.uint16) * 257, extra=(2,)),
        saved(shape.quantize(8), "PNG"),
    ):
        pixels = images.decode(data).pixels.astype(int)
        assert np.abs(pixels[10, 10] - pixels[31, 31]).max() >= 60


def test_half_transparent_layers() -> None:
    faint = [drawn(box, (255, 255, 255), 128) for box in SHAPES]
    found = [images.decode(saved(image, "PNG")).pixels.astype(int) for image in faint]
    for number, one in enumerate(found):
        for other in found[:number]:
            assert np.abs(one - other).max() >= 60


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=3))
def test_of_up_to_three_colours_each_is_seen(colours: list[Colour]) -> None:
    image = Image.new("RGBA", (40, 12))
    for number, colour in enumerate(colours):
        ImageDraw.Draw(image).rectangle((2 + 13 * number, 2, 9 + 13 * number, 9), fill=colour)
    ground = np.array(ground_of(image))
    for colour in colours:
        assert np.abs(ground - colour).max() >= 15


def test_an_opaque_picture_with_an_alpha_channel_is_untouched() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    image = Image.fromarray(noise).convert("RGBA")
    assert np.array_equal(images.decode(saved(image, "PNG")).pixels, noise)


def test_where_nothing_is_opaque_the_colours_are_shown() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
    hidden = np.dstack([noise, np.zeros((9, 9), np.uint8)])
    assert np.array_equal(images.decode(saved(Image.fromarray(hidden), "PNG")).pixels, noise)
    blank = Image.new("RGBA", (9, 9), (255, 0, 0, 0))
    assert images.decode(saved(blank, "PNG")).pixels.min() == 255


def test_an_edge_between_two_bands_is_seen() -> None:
    """A band is 2 million pixels; this drawing ends with the first."""
    image = Image.new("RGBA", (2**12, 2**10))
    image.paste("white", (0, 0, 2**12, 2**9))
    assert ground_of(image) == (0, 0, 0)


def test_white_comes_first() -> None:
    assert next(iter(GROUNDS)) == (255, 255, 255)
