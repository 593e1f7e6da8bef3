"""The first frame with content stands for an animation, within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, features

from clr_search import images
from clr_search.images import frames
from clr_search.images.structure import frames_within_bounds
from tests.images.written import ramp, saved

KINDS = ["GIF", "WEBP", "PNG"] + ["AVIF"] * features.check("avif")


def film(kind: str, *pictures: Image.Image) -> bytes:
    """An animation of some frames."""
    return saved(pictures[0], kind, save_all=True, append_images=list(pictures[1:]), duration=40)


def first_frames() -> list[Image.Image]:
    """Frames that show nothing."""
    return [
        Image.new("RGB", (40, 24), "black"),
        Image.new("RGB", (40, 24), "white"),
        Image.fromarray((ramp() // 64).astype(np.uint8)),  # nearly black
        Image.new("RGBA", (40, 24)),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(4))
def test_an_empty_first_frame_is_passed_over(kind: str, number: int) -> None:
    first = first_frames()[number]
    content = Image.fromarray(ramp()).convert(first.mode)
    found = images.decode(film(kind, first, content))
    assert np.abs(found.pixels.astype(int) - ramp()).mean() < 40
    assert frames.contrast(Image.fromarray(found.pixels)) > 150
    assert [str(note) for note in found.notes] == [
        "read, frame 2 stands for it, as the first is empty"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_frame_with_content_stands(kind: str) -> None:
    other = Image.fromarray(255 - ramp())
    found = images.decode(film(kind, Image.fromarray(ramp()), other))
    assert np.abs(found.pixels.astype(int) - ramp()).mean() < 40
    assert found.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_are_all_empty(kind: str) -> None:
    shades = [Image.new("RGB", (9, 7), (shade, 0, 0)) for shade in (255, 0, 128)]
    found = images.decode(film(kind, *shades))
    assert found.pixels[3, 4, 0] > 240
    assert found.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_few_frames_are_looked_at(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MOST_FRAMES", 3)
    empty = [Image.new("RGB", (40, 24), (shade, 0, 0)) for shade in range(0, 8, 2)]
    found = images.decode(film(kind, *empty, Image.fromarray(ramp())))
    assert frames.contrast(Image.fromarray(found.pixels)) < 32


def test_frames_of_a_gif_are_counted_as_pillow_counts_them() -> None:
    shades = [Image.fromarray((ramp() // n).astype(np.uint8)) for n in range(1, 8)]
    data = film("GIF", *shades)
    assert frames_within_bounds(data, "GIF", 1) == 7
    for cut in range(0, len(data), 97):
        assert 1 <= frames_within_bounds(data[:cut].ljust(13, b"\0"), "GIF", 1) <= 7


def test_a_film_in_png_stops_at_what_is_beyond_bounds() -> None:
    data = film("PNG", *first_frames()[:2], Image.fromarray(ramp()))
    assert frames_within_bounds(data, "PNG", 1) == 3
    at = data.rindex(b"fcTL")
    wider = data[: at + 8] + (4000).to_bytes(4, "big") + data[at + 12 :]
    assert frames_within_bounds(wider, "PNG", 1) == 2
