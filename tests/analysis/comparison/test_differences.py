"""What is told of a copy: its format, its EXIF, its colours, and how sharp it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from clr_search.analysis.comparison.differences import facts_of, fine_detail
from clr_search.errors import ImageError
from clr_search.index import Item
from tests.analysis.test_copy_thresholds import scene


def item(path: Path) -> Item:
    return Item(1, path.parent, path.name, None, 1, 1, 1, 1, "", "")


def drawn(seed: int = 3, side: int = 300) -> Image.Image:
    """A picture with fine detail on coarse shapes, as photographs have."""
    noise = np.random.default_rng(seed).normal(0, 12, (side, side, 3))
    return Image.fromarray(np.clip(scene(seed, side) + noise, 0, 255).astype(np.uint8))


def test_a_file_of_a_camera(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[271], exif[272] = "Maker", "X100"
    exif.get_ifd(0x8769)[36867] = "2021:05:03 14:22:01"
    drawn().save(tmp_path / "a.jpg", exif=exif)
    facts = facts_of(item(tmp_path / "a.jpg"))
    assert (facts.kind, facts.lossless, facts.exif) == ("JPEG", False, "EXIF of a camera")
    assert facts.taken == datetime(2021, 5, 3, 14, 22, 1)
    assert facts.camera == "X100"
    assert facts.coloured


def test_a_grey_file_without_loss(tmp_path: Path) -> None:
    drawn().convert("L").save(tmp_path / "a.png")
    facts = facts_of(item(tmp_path / "a.png"))
    assert (facts.kind, facts.lossless, facts.exif) == ("PNG", True, "no EXIF")
    assert not facts.coloured
    assert facts.taken is None
    assert facts.camera == ""


def test_what_cannot_be_read_raises(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(ImageError):
        facts_of(item(tmp_path / "a.png"))
    with pytest.raises(ImageError, match="does not exist"):
        facts_of(item(tmp_path / "a.jpg"))


def test_blurred_and_enlarged_copies_are_softer_and_others_are_not() -> None:
    image = drawn()
    sharp = fine_detail(np.asarray(image))
    softer = [
        image.filter(ImageFilter.GaussianBlur(1)),
        image.resize((150, 150)).resize((300, 300), Image.Resampling.BICUBIC),
    ]
    for copy in softer:
        assert fine_detail(np.asarray(copy)) < 0.7 * sharp
    framed = Image.new("RGB", (330, 330))
    framed.paste(image, (15, 15))
    for copy in (image.crop((10, 10, 290, 290)), image.convert("L").convert("RGB")):
        assert fine_detail(np.asarray(copy)) == pytest.approx(sharp, rel=0.25)


def test_an_even_picture_has_none() -> None:
    assert fine_detail(np.full((3, 900, 3), 80, np.uint8)) == 0
