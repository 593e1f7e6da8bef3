"""Disks that are full, read-only or forbidden: a clear error, and the state before it."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError
from clr_search.index import Index, maintenance
from clr_search.index.ann import structures
from clr_search.index.catalog.sqlite.database import Database
from tests.index.made import Heard, rows_of, write_noise


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("disk") / "photos", 120)


@pytest.fixture(scope="module")
def whole(photos: Path, tiny_encoder: Path) -> Path:
    path = photos.parent / "whole.clr"
    with Index.create(path, tiny_encoder) as index:
        index.update([photos / "000", photos / "001"])
    return path


@pytest.fixture
def collection(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "x.clr")
    return tmp_path / "x.clr"


def test_a_disk_that_fills_up_in_mid_update(
    collection: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = Database._prepare

    def small(database: Database) -> None:
        prepare(database)
        pages = database.integer("PRAGMA page_count")
        database.scalar(f"PRAGMA max_page_count = {pages + 1}")

    before = rows_of(collection)
    with monkeypatch.context() as patch:
        patch.setattr(Database, "_prepare", small)
        with (
            Index.open(collection, writable=True) as index,
            pytest.raises(ClrSearchError, match="disk is full") as caught,
        ):
            index.update([photos], batch_size=20)
        assert "free space" in caught.value.remedy
    kept = rows_of(collection)
    assert before.items() <= kept.items()
    assert len(kept) < 120
    with Index.open(collection, writable=True) as index:
        report = index.update([photos])
        assert report.added == 120 - len(kept)
    assert len(rows_of(collection)) == 120


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EROFS, "Read-only file system"),
        (errno.EACCES, "Permission denied"),
    ],
)
def test_a_search_structure_that_cannot_be_written(
    collection: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """The items are there and found all the same, and the next run makes the structure."""
    monkeypatch.setattr(structures, "EXACT_ITEMS", 50)
    monkeypatch.setattr(maintenance, "MOST_BESIDE", 0)

    def refuse(handle: int) -> None:
        raise OSError(number, words)

    with monkeypatch.context() as patch, Index.open(collection, writable=True) as index:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(ClrSearchError, match=words) as caught:
            index.update([photos])
        assert "ann/1." in caught.value.what
        assert caught.value.remedy
    assert len(rows_of(collection)) == 120
    with Index.open(collection, writable=True) as index:
        picture = photos / "005" / "00050.png"
        assert index.search(picture, 1, include_self=True).paths == [picture]
        assert index.info().generation is None
        index.update([photos])
        assert index.info().generation == 1


def test_a_folder_where_nothing_may_be_made(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ClrSearchError, match=r"cannot be made: Permission denied") as caught:
        Index.create(tmp_path / "new.clr", tiny_encoder)
    assert "another place" in caught.value.remedy


def test_a_removal_is_done_or_not(
    collection: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full afterwards does not make a removal that is committed a failure."""

    def full(*_: object, **__: object) -> bool:
        raise ClrSearchError(
            "The search structure ann/2.faiss could not be written.", "Free space."
        )

    heard = Heard()
    with Index.open(collection, writable=True) as index:
        before = len(index)
        monkeypatch.setattr(maintenance, "settle", full)
        removed = index.remove([photos / "000"], reporter=heard)
        assert removed == before - len(index) > 0
    assert "They are removed" in heard.messages[0]
    assert "ann/2.faiss" in heard.messages[0]


def test_a_disk_that_is_full_for_a_removal(
    collection: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(collection)
    with Index.open(collection, writable=True) as index:

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Database, "many", full)
        with pytest.raises(ClrSearchError, match=r"catalog\.sqlite cannot be used: .*full"):
            index.remove([photos / "000"])
    assert rows_of(collection) == before
