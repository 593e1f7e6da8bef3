"""The pixel limit is one setting: an argument, else the environment, else the default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search import images
from clr_search.errors import ImageError, UsageError
from clr_search.images.limits import MAX_PIXELS, PIXELS_VARIABLE, may_fit_now, pixel_limit
from tests.images.written import saved, tiff

PICTURE = saved(Image.new("RGB", (30, 20)), "PNG")


def test_the_order_of_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pixel_limit() == MAX_PIXELS
    monkeypatch.setenv(PIXELS_VARIABLE, "599")
    assert pixel_limit() == 599
    assert pixel_limit(7) == 7


def test_every_door_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PICTURE)
    doors = (
        lambda: images.decode(PICTURE),
        lambda: images.decode_square(PICTURE, 8),
        lambda: images.load(path),
        lambda: images.from_image(Image.new("RGB", (30, 20))),
        lambda: images.decode(tiff(np.zeros((20, 30, 3), np.uint16))),
    )
    monkeypatch.setenv(PIXELS_VARIABLE, "600")
    for door in doors:
        door()
    monkeypatch.setenv(PIXELS_VARIABLE, "599")
    for door in doors:
        with pytest.raises(ImageError, match=r"within the limits|more than the limit of 599"):
            door()


@pytest.mark.parametrize("text", ["many", "0", "-5", "1e9"])
def test_a_wrong_environment_says_so(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(PIXELS_VARIABLE, text)
    with pytest.raises(UsageError, match=f"{PIXELS_VARIABLE} is '{text}'"):
        images.decode(PICTURE)


def test_what_was_too_large_may_fit_now(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError) as caught:
        images.decode(PICTURE, max_pixels=599)
    assert may_fit_now(caught.value.what)
    monkeypatch.setenv(PIXELS_VARIABLE, "599")
    assert not may_fit_now(caught.value.what)
    assert not may_fit_now("the file is empty")


@pytest.mark.filterwarnings("error")
def test_pillows_own_limit_is_not_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    images.decode(saved(Image.new("RGB", (30, 20)), "TIFF"))
    images.decode(tiff(np.zeros((20, 30, 3), np.uint16)))
