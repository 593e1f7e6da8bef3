"""The encoder inside a collection, before and after a rebuild has taken effect."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clr_search.errors import UsageError
from clr_search.files.own import OwnFolder
from clr_search.files.write import sha256_file
from clr_search.index import Index, encoder_file
from clr_search.index.encoder_file import FILE_NAME, NEXT_NAME, WrongEncoderError
from clr_search.serve.devices import AUTO
from tests.tiny import write_tiny_encoder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return write_tiny_encoder(tmp_path / "other.onnx", seed=1)


def test_it_is_found_under_either_name(tmp_path: Path, tiny_encoder: Path, other: Path) -> None:
    shutil.copyfile(tiny_encoder, tmp_path / FILE_NAME)
    shutil.copyfile(other, tmp_path / NEXT_NAME)
    for path in (tiny_encoder, other):
        assert encoder_file.load(
            OwnFolder(tmp_path), sha256_file(path), AUTO
        ).sha256 == sha256_file(path)


def test_one_that_is_not_there(tmp_path: Path, tiny_encoder: Path, other: Path) -> None:
    with pytest.raises(WrongEncoderError, match="is missing"):
        encoder_file.load(OwnFolder(tmp_path), sha256_file(tiny_encoder), AUTO)
    shutil.copyfile(other, tmp_path / FILE_NAME)
    with pytest.raises(WrongEncoderError, match="has been altered") as caught:
        encoder_file.load(OwnFolder(tmp_path), sha256_file(tiny_encoder), AUTO)
    assert "--rebuild" in caught.value.remedy


def test_the_next_one_is_renamed_once_it_is_pinned(
    tmp_path: Path, tiny_encoder: Path, other: Path
) -> None:
    shutil.copyfile(tiny_encoder, tmp_path / FILE_NAME)
    shutil.copyfile(other, tmp_path / NEXT_NAME)
    (tmp_path / f".{NEXT_NAME}.0123abcd.tmp").touch()
    encoder_file.finish_change(
        OwnFolder(tmp_path), sha256_file(tiny_encoder)
    )  # the rebuild goes on
    assert sha256_file(tmp_path / FILE_NAME) == sha256_file(tiny_encoder)
    assert (tmp_path / NEXT_NAME).exists()
    assert not list(tmp_path.glob("*.tmp"))
    encoder_file.finish_change(OwnFolder(tmp_path), sha256_file(other))
    assert sha256_file(tmp_path / FILE_NAME) == sha256_file(other)
    assert not (tmp_path / NEXT_NAME).exists()


class TestSharing:
    """One file of an encoder for many collections."""

    def test_collections_share_the_file(
        self, tmp_path: Path, tiny_encoder: Path, pictures: Path
    ) -> None:
        source = Path(shutil.copy(tiny_encoder, tmp_path / "e.onnx"))
        for name in ("one.clr", "two.clr"):
            with Index.create(tmp_path / name, source, share_encoder=True) as index:
                index.update([pictures / "red"])
        assert source.stat().st_nlink == 3
        assert (tmp_path / "two.clr" / "encoder.onnx").samefile(source)
        # A rebuild of one leaves the file of the other, and may share its own.
        other = write_tiny_encoder(tmp_path / "other.onnx", seed=1)
        with Index.open(tmp_path / "two.clr", writable=True) as index:
            index.rebuild(other, share_encoder=True)
            index.search(pictures / "blue" / "blue00.jpg")
        assert (source.stat().st_nlink, other.stat().st_nlink) == (2, 2)
        source.unlink()
        with Index.open(tmp_path / "one.clr") as index:
            index.search(pictures / "blue" / "blue00.jpg")
        assert [path.name for path in (tmp_path / "one.clr").glob("*.tmp")] == []

    def test_a_copy_is_shared_once_it_is_asked_for(
        self, tmp_path: Path, tiny_encoder: Path
    ) -> None:
        source = Path(shutil.copy(tiny_encoder, tmp_path / "e.onnx"))
        Index.create(tmp_path / "c.clr", source).close()
        assert source.stat().st_nlink == 1
        for _ in range(2):
            Index.create(tmp_path / "c.clr", source, share_encoder=True).close()
            assert source.stat().st_nlink == 2
        assert sorted(path.name for path in (tmp_path / "c.clr").glob("*enc*")) == ["encoder.onnx"]

    def test_another_disk_is_refused_before_anything_is_made(
        self, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = Path.stat

        def elsewhere(path: Path, **options: Any) -> Any:
            status = real(path, **options)
            return SimpleNamespace(st_dev=-1) if path == tiny_encoder else status

        monkeypatch.setattr(encoder_file.Path, "stat", elsewhere)
        with pytest.raises(UsageError, match="which is on another disk") as caught:
            encoder_file.refuse_another_disk(tiny_encoder, tmp_path / "c.clr")
        assert "without --share-encoder" in caught.value.remedy
        monkeypatch.undo()

        def no_links(*_: object, **__: object) -> None:
            raise OSError(errno.EMLINK, "Too many links")

        monkeypatch.setattr(os, "link", no_links)
        with pytest.raises(UsageError, match="Too many links"):
            Index.create(tmp_path / "c.clr", tiny_encoder, share_encoder=True)
        assert not (tmp_path / "c.clr" / "encoder.onnx").exists()

    def test_a_file_that_is_written_to_in_place_is_noticed(
        self, tmp_path: Path, tiny_encoder: Path, pictures: Path
    ) -> None:
        source = Path(shutil.copy(tiny_encoder, tmp_path / "e.onnx"))
        with Index.create(tmp_path / "c.clr", source, share_encoder=True) as index:
            index.update([pictures / "red"])
        with source.open("r+b") as file:
            file.write(b"\0\0")
        with (
            Index.open(tmp_path / "c.clr") as index,
            pytest.raises(encoder_file.WrongEncoderError, match="has been altered"),
        ):
            index.search(pictures / "blue" / "blue00.jpg")
