"""The encoder inside a collection, before and after a rebuild has taken effect."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from clr_search.files.own import OwnFolder
from clr_search.files.write import sha256_file
from clr_search.index import encoder_file
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
