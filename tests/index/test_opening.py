"""Making, opening and describing a collection, and the words for what is wrong with one."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

from clr_search.errors import ClrSearchError, UsageError
from clr_search.index import Index
from tests.index.made import Heard, sqlite_of
from tests.tiny import write_tiny_encoder


def test_creating_again_opens_what_is_there(made: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    copy = shutil.copyfile(tiny_encoder, tmp_path / "copy.onnx")
    with Index.create(made, copy) as index:
        assert len(index) == 36


class TestWrongEncoder:
    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        return write_tiny_encoder(tmp_path / "other.onnx", seed=1)

    def test_another_encoder_is_refused(self, made: Path, other: Path) -> None:
        with pytest.raises(UsageError, match=r"belongs to another encoder than .*other\.onnx") as e:
            Index.create(made, other)
        assert "--rebuild" in e.value.remedy
        assert e.value.exit_code == 2

    def test_an_exchanged_encoder_is_noticed(
        self, made: Path, other: Path, pictures: Path, tmp_path: Path
    ) -> None:
        shutil.copyfile(other, made / "encoder.onnx")
        with Index.open(made) as index:
            assert len(index.search(pictures / "red" / "red00.jpg")) == 10  # needs none
            (tmp_path / "q.png").write_bytes((pictures / "red" / "red01.png").read_bytes() + b"x")
            with pytest.raises(ClrSearchError, match="has been altered: its embeddings are of"):
                index.search(tmp_path / "q.png")
            (made / "encoder.onnx").unlink()
            with pytest.raises(ClrSearchError, match="is missing"):
                index.search(tmp_path / "q.png")

    @pytest.mark.parametrize("content", [None, b"", b"\x08\x0atruncated", "half"])
    def test_an_encoder_that_is_none_leaves_nothing_behind(
        self, content: bytes | str | None, tiny_encoder: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "bad.onnx"
        if content == "half":
            data = tiny_encoder.read_bytes()
            content = data[: len(data) // 2]
        if isinstance(content, bytes):
            path.write_bytes(content)
        with pytest.raises(UsageError, match=r"bad\.onnx"):
            Index.create(tmp_path / "x.clr", path)
        assert not (tmp_path / "x.clr").exists()


class TestNoCollection:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="There is no collection") as caught:
            Index.open(tmp_path / "x.clr")
        assert "build-index" in caught.value.remedy
        assert not (tmp_path / "x.clr").exists()

    @pytest.mark.parametrize("writable", [False, True])
    def test_a_folder_or_file_of_something_else(self, tmp_path: Path, writable: bool) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        for path in (tmp_path, tmp_path / "notes.txt"):
            with pytest.raises(
                UsageError, match=r"is not a collection: it holds no catalog\.sqlite"
            ):
                Index.open(path, writable=writable)
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

    def test_a_collection_is_not_made_over_something_else(
        self, tmp_path: Path, tiny_encoder: Path
    ) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        for path in (tmp_path, tmp_path / "notes.txt"):
            with pytest.raises(UsageError, match="something else than a collection"):
                Index.create(path, tiny_encoder)
        with pytest.raises(ClrSearchError, match="cannot be made"):
            Index.create(tmp_path / "notes.txt" / "x.clr", tiny_encoder)
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]

    def test_one_whose_making_was_cut_short_is_made_now(
        self, tmp_path: Path, tiny_encoder: Path
    ) -> None:
        path = tmp_path / "x.clr"
        path.mkdir()
        for leftover in ("lock", "encoder.onnx", ".encoder.onnx.0123abcd.tmp", "catalog.sqlite"):
            (path / leftover).touch()
            with pytest.raises(UsageError):
                Index.open(path)
            with Index.create(path, tiny_encoder) as index:
                assert len(index) == 0
                assert index.encoder.dimension == 16
            assert not list(path.glob(".*"))
            shutil.rmtree(path)
            path.mkdir()


def test_a_newer_schema_is_refused(made: Path, tiny_encoder: Path) -> None:
    sqlite_of(made).execute("PRAGMA user_version = 9")
    for attempt in (
        lambda: Index.open(made),
        lambda: Index.open(made, writable=True),
        lambda: Index.create(made, tiny_encoder),
    ):
        with pytest.raises(UsageError, match="schema version 9; this release reads 1 to 6"):
            attempt()


def test_a_damaged_catalogue_is_reported_with_a_remedy(made: Path, pictures: Path) -> None:
    path = made / "catalog.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[:16384] + b"\xff" * (len(data) - 16384))
    with pytest.raises(ClrSearchError, match="damaged") as caught, Index.open(made) as index:
        index.search(pictures / "red" / "red00.jpg")
    assert "backup" in caught.value.remedy


@pytest.mark.parametrize("value", ["NULL", "-1", "'many'", "1e9"])
def test_a_senseless_dimension_is_damage(made: Path, value: str) -> None:
    sqlite_of(made).execute(f"UPDATE meta SET value = {value} WHERE key = 'dimension'")
    with pytest.raises(ClrSearchError, match="its embeddings have length"):
        Index.open(made)


def test_an_opening_that_fails_frees_the_lock(made: Path) -> None:
    sqlite_of(made).execute("UPDATE meta SET value = NULL WHERE key = 'encoder_sha256'")
    for _ in range(2):
        with pytest.raises(UsageError, match="was cut short"):
            Index.open(made, writable=True)


def test_messages_go_to_the_log_where_nobody_listens(
    made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connection = sqlite_of(made)
    entry = {"number": 4, "sha256": "0", "revision": 99, "count": 36, "structure": "IVF2,SQ8"}
    entry |= {"probes": 1, "recall": 1.0, "form": 3}
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('ann', ?)", (json.dumps(entry),))
    connection.close()
    with caplog.at_level(logging.WARNING), Index.open(made) as index:
        index.search_vector(index.vectors()[1][0])
    assert "generation 4 has lost its vectors" in caplog.text
    Index.open(made, writable=True, reporter=Heard()).close()
    with Index.open(made) as index:
        assert index.info().structure == "exact"
