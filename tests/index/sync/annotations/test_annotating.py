"""Columns of the items: EXIF."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.errors import UsageError
from clr_search.index import Filter, Index


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photographs, of which two have a date, and all the file time of 2020."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, (taken, camera) in enumerate(
        [("2023:05:01 12:00:00", "X100"), ("2024:06:01 00:30:00", "Z9"), ("", "X100"), ("", "")]
    ):
        exif = Image.Exif()
        if camera:
            exif[272] = camera
        if taken:
            exif.get_ifd(34665)[36867] = taken
        path = folder / f"{number}.jpg"
        Image.fromarray(random.integers(0, 255, (40, 40, 3), np.uint8)).save(path, exif=exif)
        when = datetime(2020, 1, 1 + number, tzinfo=UTC).timestamp()
        os.utime(path, (when, when))
    return folder


@pytest.fixture
def index(photos: Path, tiny_encoder: Path, tmp_path: Path) -> Index:
    """A collection of `photos`, writable."""
    index = Index.create(tmp_path / "x.clr", tiny_encoder)
    index.update([photos])
    return index


def names(index: Index, **conditions: object) -> list[str]:
    where = Filter(**conditions)  # type: ignore[arg-type]
    return [item.path.stem for item in index.items(index.ids(where=where))]


def test_dates_are_those_of_exif_or_else_of_the_file(index: Index) -> None:
    with index:
        assert names(index, after=datetime(2023, 1, 1)) == ["0", "1"]
        assert names(index, after=datetime(2024, 6, 1)) == ["1"]
        assert names(index, before=datetime(2023, 1, 1)) == ["2", "3"]
        assert names(index, after=datetime(2020, 1, 4, tzinfo=UTC)) == ["0", "1", "3"]
        with pytest.raises(UsageError, match="pass the filter"):
            names(index, after=datetime(2024, 6, 1, 0, 30, 1))


def test_an_update_reads_what_an_older_release_left_without_embedding(
    index: Index, photos: Path
) -> None:
    with index:
        with index._catalog.writing():
            index._catalog.database.rows("DELETE FROM exif")
        assert names(index, after=datetime(2020, 1, 2, tzinfo=UTC)) == ["1", "2", "3"]
        report = index.update([photos])
        assert (report.added, report.changed, report.unchanged) == (0, 0, 4)
        assert names(index, after=datetime(2023, 1, 1)) == ["0", "1"]


def test_a_changed_file_has_its_new_date(index: Index, photos: Path) -> None:
    with index:
        Image.new("RGB", (50, 50), "red").save(photos / "0.jpg")
        os.utime(photos / "0.jpg", (1, 1))
        (photos / "1.jpg").rename(photos / "moved.jpg")
        index.update([photos])
        assert names(index, after=datetime(2023, 1, 1)) == ["moved"]
