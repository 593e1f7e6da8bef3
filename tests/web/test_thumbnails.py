from __future__ import annotations

import base64
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.errors import ImageError
from clr_search.pictures.inline import preview
from clr_search.web.thumbnails import Thumbnails, small_jpeg


def opened(uri: str) -> Image.Image:
    head, data = uri.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def halves(height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Red outside of the central square, green inside."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 250
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = (0, 250, 0)
    return pixels


def test_a_preview_keeps_the_whole_picture() -> None:
    assert opened(preview(halves(400, 1600))).size == (640, 160)
    assert opened(preview(halves(3, 5))).size == (5, 3)


def test_files_are_drawn_once_and_anew_when_replaced(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, path in enumerate(paths):
        Image.new("RGB", (10 + i, 10 + i), (50 * i, 0, 0)).save(path)
    drawn = Thumbnails(small_jpeg)

    def width(data: bytes) -> int:
        return Image.open(io.BytesIO(data)).width

    first = [drawn.of(path, 320) for path in paths]
    assert [width(data) for data in first] == [10, 11, 12, 13, 14]
    assert drawn.of(paths[2], 320) is first[2]
    Image.new("RGB", (30, 30)).save(paths[2])
    assert width(drawn.of(paths[2], 320)) == 30


def test_the_least_recently_used_are_forgotten(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.new("RGB", (8, 8)).save(path)
    each = len(small_jpeg(np.zeros((8, 8, 3), np.uint8), 320))
    drawn = Thumbnails(small_jpeg, most_bytes=2 * each)
    a, b = drawn.of(paths[0], 320), drawn.of(paths[1], 320)
    assert drawn.of(paths[0], 320) is a
    drawn.of(paths[2], 320)
    assert drawn.of(paths[0], 320) is a
    assert drawn.of(paths[1], 320) is not b


def test_no_more_bytes_are_kept_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (100, 100)).save(path)
    drawn: list[int] = []

    def draw(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], side: int) -> bytes:
        drawn.append(side)
        return bytes(side)

    kept = Thumbnails(draw, most_bytes=50)
    for side in (10, 11, 9, 12, 8):  # together 50
        kept.of(path, side)
    kept.of(path, 10)
    assert drawn == [10, 11, 9, 12, 8]
    kept.of(path, 7)  # forgets 11, the least recently used
    for side in (9, 12, 8, 10, 7, 11):
        kept.of(path, side)
    assert drawn == [10, 11, 9, 12, 8, 7, 11]
    assert len(kept.of(path, 60)) == 60  # larger than all: given, and not kept
    kept.of(path, 60)
    assert drawn[-2:] == [60, 60]


def test_threads_that_draw_the_same_at_once_count_it_once(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (20, 20)).save(path)
    meet = threading.Barrier(2)

    def draw(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], side: int) -> bytes:
        if side == 10:
            meet.wait(timeout=10)
        drawn.append(side)
        return bytes(side)

    drawn: list[int] = []
    kept = Thumbnails(draw, most_bytes=20)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(kept.of, [path, path], [10, 10])
    assert one is other
    kept.of(path, 9)
    assert kept.of(path, 10) is one
    assert drawn == [10, 10, 9]


def test_missing_and_broken_files_have_no_thumbnail(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no")
    drawn = Thumbnails(small_jpeg)
    for path in (broken, tmp_path / "gone.jpg", tmp_path):
        with pytest.raises((OSError, ImageError)):
            drawn.of(path, 320)


def test_each_size_of_a_file_is_drawn_and_kept_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (400, 100)).save(path)
    drawn = Thumbnails(small_jpeg)
    small, large = drawn.of(path, 40), drawn.of(path, 200)
    assert [Image.open(io.BytesIO(data)).size for data in (small, large)] == [(40, 10), (200, 50)]
    assert drawn.of(path, 40) is small
    assert drawn.of(path, 200) is large
    with pytest.raises(OSError, match="gone"):
        drawn.of(tmp_path / "gone.png", 40)
