"""Of pictures that differ to the eye, no two come out alike: formats × depths × alpha × frames."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, features

from clr_search import images
from tests.images.written import png, saved, tiff

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

Drawing = NDArray[np.bool_]
Colour = tuple[int, int, int]

SIDE = 24


def shapes() -> list[Drawing]:
    """Drawings that anybody can tell apart."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return [
        (x - 12) ** 2 + (y - 12) ** 2 < 80,
        abs(x - 12) + abs(y - 12) < 8,
        (y > 4) & (y < 11),
        (x > 4) & (x < 11),
        abs(x - y) < 3,
        (x // 6 + y // 6) % 2 == 0,
    ]


def opaque(drawing: Drawing, ink: Colour, paper: Colour) -> NDArray[np.uint8]:
    return np.where(drawing[..., None], np.uint8(ink), np.uint8(paper))


def wide(bits: int, offset: int = 0, kind: str = "u2") -> Callable[[NDArray[np.uint8]], Any]:
    """Scales 8 bits to others, in a type that holds more."""

    def scale(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        if kind.startswith("f"):
            return (pixels / 255 * bits + offset).astype(kind)
        return (pixels.astype(float) / 255 * (2**bits - 1) + offset).astype(kind)

    return scale


def film(kind: str, first: Colour | None) -> Callable[[NDArray[np.uint8]], bytes]:
    """An animation whose first frame is of one colour, or of none."""

    def write(pixels: NDArray[np.uint8]) -> bytes:
        image = Image.fromarray(pixels)
        empty = Image.new("RGBA", image.size, (*first, 255) if first else 0)
        return saved(empty, kind, save_all=True, append_images=[image.convert("RGBA")], duration=9)

    return write


OPAQUE: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    kind: lambda p, kind=kind: saved(Image.fromarray(p), kind)  # type: ignore[misc]
    for kind in ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"] + ["AVIF"] * features.check("avif")
}
for bits in (8, 10, 12, 14, 16):
    scale = wide(bits)
    OPAQUE |= {
        f"PNG RGB {bits}": lambda p, s=scale: png(2, 16, s(p)),  # type: ignore[misc]
        f"PNG grey {bits}": lambda p, s=scale: png(0, 16, s(p[..., 0])),  # type: ignore[misc]
        f"TIFF RGB {bits}": lambda p, s=scale: tiff(s(p)),  # type: ignore[misc]
        f"TIFF grey {bits}": lambda p, s=scale: tiff(s(p[..., :1]), photometric=1),  # type: ignore[misc]
    }
for name, how in {
    "i2": wide(12, -1000, "i2"),
    "u4": wide(20, 0, "u4"),
    "i4": wide(20, -5000, "i4"),
    "thermal": wide(9, 29000),
    "unit": wide(1, 0, "f4"),
    "half": wide(1, 0, "f2"),
    "heights": wide(3000, -300, "f4"),
    "double": wide(10**6, 10**7, "f8"),
}.items():
    OPAQUE[f"TIFF {name}"] = lambda p, s=how: tiff(s(p), rows=7)  # type: ignore[misc]
for kind in ["GIF", "PNG", "WEBP"] + ["AVIF"] * features.check("avif"):
    for first in (None, (0, 0, 0), (255, 255, 255)):
        OPAQUE[f"{kind} film after {first}"] = film(kind, first)

TRANSPARENT: dict[str, Callable[[NDArray[np.uint8]], bytes]] = {
    kind: lambda p, kind=kind: saved(Image.fromarray(p), kind)  # type: ignore[misc]
    for kind in ["PNG", "WEBP", "GIF", "TIFF"] + ["AVIF"] * features.check("avif")
} | {
    "palette": lambda p: saved(Image.fromarray(p).quantize(16), "PNG"),
    "grey": lambda p: saved(Image.fromarray(p).convert("LA"), "PNG"),
    "PNG 12": lambda p: png(6, 16, p.astype(np.uint16) * 16),
    "PNG 16": lambda p: png(6, 16, p.astype(np.uint16) * 257),
    "TIFF 16": lambda p: tiff(p.astype(np.uint16) * 257, extra=(2,)),
    "TIFF float": lambda p: tiff((p / 255).astype(np.float32), extra=(2,)),
}


def all_differ(files: list[bytes]) -> None:
    found = [images.decode(data).pixels.astype(int) for data in files]
    for one, other in itertools.combinations(found, 2):
        assert (np.abs(one - other).max(-1) >= 24).mean() > 0.02


@pytest.mark.parametrize("name", OPAQUE)
@settings(max_examples=8, deadline=None)
@given(ink=st.tuples(*[st.integers(0, 255)] * 3), dark=st.booleans())
def test_opaque_drawings(name: str, ink: Colour, dark: bool) -> None:
    # Paper that differs from the ink in red, which grey files are written from.
    paper = ((ink[0] + 128) % 256, 0, 0) if dark else ((ink[0] + 128) % 256, 255, 255)
    all_differ([OPAQUE[name](opaque(drawing, ink, paper)) for drawing in shapes()])


@pytest.mark.parametrize("name", TRANSPARENT)
@settings(max_examples=8, deadline=None)
@given(ink=st.tuples(*[st.integers(0, 255)] * 3), other=st.none() | st.just((255, 255, 255)))
def test_drawings_on_nothing(name: str, ink: Colour, other: Colour | None) -> None:
    """In one colour, or with a white or black half."""
    files = []
    for drawing in shapes():
        pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
        pixels[drawing] = (*ink, 255)
        if other:
            left = drawing.copy()
            left[:, SIDE // 2 :] = False
            pixels[left] = (*other, 255)
        files.append(TRANSPARENT[name](pixels))
    all_differ(files)
