"""A file that lacks its end is read, and what is missing is told."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from clr_search import images
from clr_search.errors import ImageError
from tests.images.written import saved

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

NOISE = np.random.default_rng(0).integers(0, 256, (320, 64, 3), np.uint8)
ROWS = [("PNG", {}), ("JPEG", {"quality": 90}), ("TIFF", {}), ("BMP", {})]


@pytest.mark.parametrize(("kind", "how"), ROWS)
@pytest.mark.parametrize("share", [0.97, 0.9, 0.85])
def test_the_rows_that_are_missing_are_told(kind: str, how: dict[str, int], share: float) -> None:
    data = saved(Image.fromarray(NOISE), kind, **how)
    whole = images.decode(data).pixels
    found = images.decode(data[: int(len(data) * share)])
    (note,) = found.notes
    wrong = int((found.pixels != whole).any((1, 2)).sum())
    assert note.kind == "loss"
    assert str(note) == f"read, {wrong} rows missing"
    assert 0.5 * (1 - share) <= wrong / 320 <= 0.25
    assert (found.width, found.height) == (64, 320)


@pytest.mark.parametrize("cut", [1, 2])
def test_only_the_end_mark_of_a_jpeg_is_missing(cut: int) -> None:
    data = saved(Image.fromarray(NOISE), "JPEG")
    found = images.decode(data[:-cut])
    assert np.array_equal(found.pixels, images.decode(data).pixels)
    assert [str(note) for note in found.notes] == ["read, its end is missing, but no row"]


def test_the_rest_of_a_download_in_zeros() -> None:
    data = saved(Image.fromarray(NOISE), "JPEG")
    found = images.decode(data[: int(len(data) * 0.9)] + bytes(4096))
    assert found.notes[0].kind == "loss"


def test_a_reduced_jpeg_counts_full_rows() -> None:
    large = np.repeat(np.repeat(NOISE, 8, 0), 8, 1)
    data = saved(Image.fromarray(large), "JPEG")
    cut = data[: int(len(data) * 0.9)]
    full, reduced = images.decode(cut), images.decode_square(cut, 16)
    rows = [int(picture.notes[0].what.split()[0]) for picture in (full, reduced)]
    assert abs(rows[0] - rows[1]) <= 8


def test_a_progressive_jpeg_loses_details_first() -> None:
    data = saved(Image.fromarray(NOISE), "JPEG", progressive=True)
    found = images.decode(data[: int(len(data) * 0.7)])
    assert [str(note) for note in found.notes] == ["read, its finest details are missing"]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP"])
def test_what_lacks_more_than_a_quarter_is_refused(kind: str) -> None:
    data = saved(Image.fromarray(NOISE), kind)
    with pytest.raises(ImageError, match="the file ends before the picture does"):
        images.decode(data[: int(len(data) * 0.7)])


def test_a_png_damaged_near_its_end() -> None:
    data = saved(Image.fromarray(NOISE), "PNG")
    at = int(len(data) * 0.9)
    found = images.decode(data[:at] + bytes(64) + data[at + 64 :])
    assert found.notes == () or found.notes[0].kind == "loss"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP"])
def test_a_whole_file_has_no_note(kind: str) -> None:
    assert images.decode(saved(Image.fromarray(NOISE), kind)).notes == ()
