from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clr_search import images
from clr_search.errors import ClrSearchError, ImageError, UsageError
from clr_search.index import Index, encoder_file
from clr_search.index.catalog.sqlite.database import Database
from clr_search.index.sync import rebuild as rebuild_module
from clr_search.serve import Encoder
from clr_search.serve.pipeline import embed_files
from tests.index.made import Heard, rows_of, write_noise
from tests.tiny import write_tiny_encoder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "photos", 20)


@pytest.fixture
def index(tmp_path: Path, photos: Path, tiny_encoder: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "x.clr", tiny_encoder) as opened:
        opened.update([photos])
        yield opened


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """An encoder of another dimension."""
    return write_tiny_encoder(tmp_path / "other.onnx", seed=1, dimension=24)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []

    def watched(encoder, paths, **options):
        for batch in embed_files(encoder, paths, **options):
            yield batch
            seen.extend(result.path.name for result in batch)

    monkeypatch.setattr(rebuild_module, "embed_files", watched)
    return seen


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    def stopped(encoder, paths, **options):
        for number, batch in enumerate(embed_files(encoder, paths, **options)):
            if number == count:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(rebuild_module, "embed_files", stopped)


def check(index: Index, encoder: Path) -> None:
    ids, vectors = index.vectors()
    paths = [index.item(number).path for number in ids.tolist()]
    np.testing.assert_allclose(vectors, Encoder(encoder).encode(paths), atol=1e-3)
    assert index.encoder.sha256 == Encoder(encoder).sha256
    assert not (index.path / encoder_file.NEXT_NAME).exists()


def test_everything_is_embedded_again(index: Index, other: Path, photos: Path) -> None:
    ids = index.ids()
    with Index.open(index.path) as reader:
        query = min(photos.rglob("*.png"))
        reader.search(query)
        report = index.rebuild(other)
        assert (report.changed, report.removed, report.added) == (20, 0, 0)
        assert index.ids() == ids
        assert index.info().dimension == 24
        check(index, other)
        # A reader that was there before goes over to the new vectors and the new encoder.
        assert reader.search(query, 3) == index.search(query, 3)
        assert reader.encoder.dimension == 24
    with Index.create(index.path.parent / "y.clr", other) as fresh:
        fresh.update([photos])
        assert rows_of(fresh.path) == rows_of(index.path)


def test_an_interrupted_one_goes_on(
    index: Index, other: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(index.path)
    heard = Heard()
    with monkeypatch.context() as context:
        stop_after(context, 2)
        with pytest.raises(KeyboardInterrupt):
            index.rebuild(other, batch_size=4, reporter=heard)
    assert "8 of 20 images are done and kept" in heard.messages[0]
    assert "the collection stays as it was" in heard.messages[0]
    assert rows_of(index.path) == before
    assert index.info().dimension == 16
    index.rebuild(other)
    assert len(embedded) == 12
    check(index, other)


def test_another_encoder_starts_from_the_beginning(
    index: Index, other: Path, tmp_path: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as context:
        stop_after(context, 2)
        with pytest.raises(KeyboardInterrupt):
            index.rebuild(other, batch_size=4)
    third = write_tiny_encoder(tmp_path / "third.onnx", seed=2)
    index.rebuild(third)
    assert len(embedded) == 20
    check(index, third)


def test_changed_missing_and_broken_files(index: Index, other: Path, photos: Path) -> None:
    paths = sorted(photos.rglob("*.png"))
    paths[0].unlink()
    paths[1].write_bytes(b"broken")
    paths[2].write_bytes(paths[3].read_bytes())
    report = index.rebuild(other)
    assert (report.changed, report.removed) == (18, 2)
    assert [entry.path for entry in index.skipped()] == [paths[1]]
    check(index, other)


@pytest.mark.parametrize("there", ["another folder", "nothing"])
def test_a_disk_that_goes_away_half_way_takes_nothing_along(
    index: Index, other: Path, photos: Path, there: str, embedded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    before = rows_of(index.path)
    aside = photos.with_name("aside")

    def leaves(encoder, paths, **options):
        for number, batch in enumerate(embed_files(encoder, paths, **options)):
            yield batch
            if number == 1:
                photos.rename(aside)
                if there == "another folder":
                    photos.mkdir()

    with monkeypatch.context() as context:
        context.setattr(rebuild_module, "embed_files", leaves)
        with pytest.raises(UsageError, match="went away while it was looked at"):
            index.rebuild(other, batch_size=2)
    assert rows_of(index.path) == before
    assert index.info().dimension == 16
    if there == "another folder":
        photos.rmdir()
    aside.rename(photos)
    report = index.rebuild(other, batch_size=2)
    assert (report.changed, report.removed) == (20, 0)
    assert 0 < len(embedded) < 20  # what was staged is not embedded again
    check(index, other)


def test_a_file_that_fails_for_a_moment_is_not_taken_for_lost(
    index: Index, other: Path, photos: Path, embedded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(index.path)
    failing = sorted(photos.rglob("*.png"))[3]
    read = images.read

    def fails(path: Path) -> object:
        if path == failing:
            raise ImageError("cannot be read: Input/output error")
        return read(path)

    with monkeypatch.context() as context:
        context.setattr(images, "read", fails)
        with pytest.raises(ClrSearchError, match="1 picture could not be read") as caught:
            index.rebuild(other)
    assert caught.value.exit_code == 1
    assert str(failing) in caught.value.what
    assert "Input/output error" in caught.value.what
    assert f"clr-search remove {index.path}" in caught.value.remedy
    assert rows_of(index.path) == before
    embedded.clear()
    assert index.rebuild(other).changed == 20
    assert embedded == [failing.name]
    check(index, other)


@pytest.mark.parametrize("renamed", [False, True])
def test_the_right_encoder_is_found_whatever_was_done_last(
    index: Index, other: Path, renamed: bool, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the swap, before or after the rename."""

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    finish = encoder_file.finish_change
    with monkeypatch.context() as context:
        context.setattr(encoder_file, "finish_change", lambda *a: (renamed and finish(*a), die()))
        with pytest.raises(Killed):
            index.rebuild(other)
    with Index.open(index.path) as reader:
        assert reader.encoder.dimension == 24
        assert len(reader.search(np.full((9, 9, 3), 99, np.uint8), 3)) == 3
    index.close()
    with Index.open(index.path, writable=True) as writer:
        check(writer, other)


def test_a_full_disk_while_compacting_is_no_failure(
    index: Index, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Database) -> None:
        raise ClrSearchError("database or disk is full.")

    monkeypatch.setattr(Database, "compact", full)
    heard = Heard()
    index.rebuild(other, reporter=heard)
    assert heard.messages == ["Unused space stays in the catalogue: database or disk is full."]
    check(index, other)


def test_what_is_no_encoder_changes_nothing(index: Index, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08")
    before = rows_of(index.path)
    for path in (tmp_path / "bad.onnx", tmp_path / "missing.onnx"):
        with pytest.raises(UsageError, match=path.name):
            index.rebuild(path)
    assert rows_of(index.path) == before
    assert not (index.path / encoder_file.NEXT_NAME).exists()


def test_an_altered_encoder_is_mended_by_a_rebuild_with_it(
    index: Index, tiny_encoder: Path
) -> None:
    (index.path / "encoder.onnx").write_bytes(b"damaged")
    index.rebuild(tiny_encoder)
    check(index, tiny_encoder)
