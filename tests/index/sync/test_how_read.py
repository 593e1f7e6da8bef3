"""What an update tells of how pictures were read, and when it tries skipped files again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clr_search.images import DECODING
from clr_search.images.limits import PIXELS_VARIABLE
from clr_search.index import Index
from clr_search.index.sync import survey
from tests.index.made import write_noise


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures."""
    return write_noise(tmp_path / "photos", 3)


@pytest.fixture
def index(tmp_path: Path, tiny_encoder: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as opened:
        yield opened


def test_a_picture_without_its_end_is_in_the_collection_and_named(
    index: Index, photos: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    path = photos / "cut.jpg"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-2])
    report = index.update([photos])
    assert (report.added, report.skipped) == (4, ())
    (item,) = report.noted
    assert (item.path, item.lossy) == (path, True)
    assert str(item) == "read, its end is missing, but no row"
    assert path in index
    assert index.update([photos]).noted == ()


def test_a_larger_limit_tries_what_was_too_large(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PIXELS_VARIABLE, "500")
    report = index.update([photos])
    assert len(report.skipped) == 3
    assert "pixels are more than the limit of 500" in report.skipped[0].reason
    assert index.update([photos]).added == 0
    monkeypatch.setenv(PIXELS_VARIABLE, "100000")
    assert index.update([photos]).added == 3


def test_skipped_files_of_an_older_release_are_tried_once(
    index: Index, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "broken.png").write_bytes(b"nothing")
    index.update([photos])
    assert tried(index, photos) == []
    monkeypatch.setattr(survey, "DECODING", DECODING + 1)
    assert tried(index, photos) == [str(photos / "broken.png")]


def tried(index: Index, photos: Path) -> list[str]:
    """Paths that an update would embed."""
    from clr_search.progress import Silent

    plan, _ = survey.Survey(index._catalog, [photos], drop=True, reporter=Silent()).plan()
    return plan.embed


def test_a_collection_of_an_older_release_says_so(index: Index, photos: Path) -> None:
    index.update([photos])
    assert not index.info().older_decoding
    with index._catalog.writing():
        index._catalog.database.rows("DELETE FROM meta WHERE key LIKE 'decoding%'")
    assert index.info().older_decoding
    report = index.update([photos])
    assert report.unchanged == 3
    assert index.info().older_decoding  # the embeddings are still those
    with index._catalog.reading():
        assert index._catalog.facts().decoding_tried == DECODING
    index.rebuild(index.path / "encoder.onnx")
    assert not index.info().older_decoding
